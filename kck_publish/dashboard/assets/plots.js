// Draws the history by uPlot. One time axis for all plots, one cursor, the colours of the page.
"use strict";
(() => {
  const figures = [...document.querySelectorAll(".plot")];
  const drawn = new Map();
  const HEIGHT = 180, sync = uPlot.sync("kck");
  let last = null;

  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);
  const colour = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const short = (value) => (value >= 1e6 ? `${+(value / 1e6).toPrecision(3)} M` : value >= 1e4 ? `${+(value / 1e3).toPrecision(3)} k` : `${+value.toPrecision(3)}`);
  const seconds = (value) => {
    if (value === 0) return "0 s";
    if (value < 1) return `${+(value * 1000).toPrecision(3)} ms`;
    for (const [unit, name] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
      if (value >= 1.5 * unit) return `${+(value / unit).toPrecision(3)} ${name}`;
    }
    return `${+value.toPrecision(3)} s`;
  };
  const text = (value, unit) => (value == null ? "–" : unit === "s" ? seconds(value) : `${short(value)}${unit}`);

  const options = (figure, names, width) => {
    const unit = figure.dataset.unit, legend = figure.querySelector(".legend");
    const axis = {
      stroke: colour("dim"), font: "11px system-ui, sans-serif",
      grid: { stroke: colour("line"), width: 1 }, ticks: { show: false },
    };
    const tell = (plot) => {
      const at = plot.cursor.idx;
      const parts = names.map((name, index) => {
        const item = document.createElement("span"), mark = document.createElement("i");
        mark.style.background = colour(`plot-${figure.dataset.plot === "failures" ? 4 : index + 1}`);
        const values = plot.data[index + 1];
        item.append(mark, `${name}${at == null ? "" : ` ${text(values[at], unit)}`}`);
        return item;
      });
      if (at != null) {
        const when = document.createElement("time");
        when.textContent = uPlot.fmtDate("{YYYY}-{MM}-{DD} {HH}:{mm}")(new Date(plot.data[0][at] * 1000));
        parts.unshift(when);
      }
      legend.replaceChildren(...parts);
    };
    return {
      width, height: HEIGHT, legend: { show: false }, padding: [8, 18, 0, 0],
      cursor: { sync: { key: sync.key }, drag: { x: false, y: false }, y: false, points: { size: 7 } },
      scales: { y: { range: (plot, low, high) => [0, high > 0 ? high * 1.1 : 1] } },
      axes: [
        { ...axis, space: 60, values: [
          [86400, "{YYYY}-{MM}-{DD}", null, null, null, null, null, null, 1],
          [3600, "{HH}:{mm}", "\n{MMM} {D}", null, null, null, null, null, 1],
          [60, "{HH}:{mm}", "\n{MMM} {D}", null, null, null, null, null, 1],
        ] },
        { ...axis, size: 58, values: (plot, ticks) => ticks.map((value) => text(value, unit)) },
      ],
      series: [{}, ...names.map((name, index) => {
        const shade = colour(`plot-${figure.dataset.plot === "failures" ? 4 : index + 1}`);
        return {
          label: name, stroke: shade, width: 1.6, spanGaps: false, points: { show: false },
          fill: index === 0 ? shade.replace("rgb(", "rgba(").replace(")", ", 0.12)") : undefined,
          paths: figure.dataset.plot === "failures" ? uPlot.paths.bars({ size: [0.7, 20] }) : undefined,
        };
      })],
      hooks: { ready: [tell], setCursor: [tell] },
    };
  };
  const draw = (figure, data) => {
    const lines = data.plots[figure.dataset.plot], names = Object.keys(lines);
    const canvas = figure.querySelector(".canvas"), summary = figure.querySelector(".summary");
    const columns = [data.at, ...Object.values(lines)];
    const tops = columns.slice(1).map((values) => Math.max(0, ...values));
    const top = Math.max(...tops), any = top > 0;
    summary.textContent = any ? `highest: ${text(top, figure.dataset.unit)}${names.length > 1 ? ` (${names[tops.indexOf(top)]})` : ""}` : "";
    if (!any) {
      drawn.get(figure)?.destroy();
      drawn.delete(figure);
      const empty = document.createElement("p");
      empty.className = "empty";
      empty.textContent = figure.dataset.plot === "failures" ? "No refresh failed in this time." : "Nothing in this time. A minute is drawn when it is over.";
      canvas.replaceChildren(empty);
      figure.querySelector(".legend").replaceChildren();
      return;
    }
    if (drawn.has(figure)) return drawn.get(figure).setData(columns);
    canvas.replaceChildren();
    drawn.set(figure, new uPlot(options(figure, names, canvas.clientWidth), columns, canvas));
  };
  const all = (anew) => {
    if (anew) for (const [figure, plot] of drawn) { plot.destroy(); drawn.delete(figure); }
    if (last) for (const figure of figures) draw(figure, last);
  };
  addEventListener("kck:data", (event) => { last = event.detail.history; all(false); });
  addEventListener("kck:theme", () => all(true));
  new ResizeObserver(() => {
    for (const [figure, plot] of drawn) {
      const width = figure.querySelector(".canvas").clientWidth;
      if (width && width !== plot.width) plot.setSize({ width, height: HEIGHT });
    }
  }).observe(document.getElementById("main"));
})();
