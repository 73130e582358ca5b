// Draws the graph by Cytoscape, laid out from sources to products by dagre. A node leads to its page.
"use strict";
(() => {
  const box = document.getElementById("graph"), search = document.getElementById("search");
  const probe = document.createElement("span");
  let cy = null, moved = false, fitting = false;
  probe.hidden = true;
  document.body.append(probe);
  const colour = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const STATES = ["dead", "failing", "paused", "behind", "ok", "idle"];
  // Leaves to the right and arrives from the left: two points of control, told from the straight line.
  const bend = (edge) => {
    const from = edge.source(), to = edge.target();
    const dx = to.position("x") - to.data("width") / 2 - from.position("x") - from.data("width") / 2;
    const dy = to.position("y") - from.position("y"), square = dx * dx + dy * dy || 1;
    const distance = (dx * dy) / 2 / Math.sqrt(square);
    return { distances: [-distance, distance], weights: [(dx * dx) / 2 / square, ((dx * dx) / 2 + dy * dy) / square] };
  };
  const style = () => [
    { selector: "node", style: {
      label: "data(label)", shape: "round-rectangle", width: "data(width)", height: 28,
      "text-valign": "center", "text-halign": "center", "font-size": 12, "font-family": "system-ui, sans-serif",
      color: colour("text"), "background-color": colour("card"), "border-width": 2, "border-color": colour("idle"),
      "text-wrap": "ellipsis", "text-max-width": "240px",
    } },
    { selector: "node[kind = 'source']", style: { shape: "barrel", "border-width": 1, "border-color": colour("dim"), "background-color": colour("sunk"), height: 34 } },
    ...STATES.map((state) => ({ selector: `node[state = '${state}']`, style: { "border-color": colour(state), "background-color": colour(`${state}-soft`) } })),
    { selector: "edge", style: {
      width: 1.4, "line-color": colour("edge"), "target-arrow-color": colour("edge"), "target-arrow-shape": "triangle",
      "arrow-scale": 0.8, "curve-style": "unbundled-bezier", "edge-distances": "endpoints",
      "control-point-distances": (edge) => bend(edge).distances, "control-point-weights": (edge) => bend(edge).weights,
      "source-endpoint": "90deg", "target-endpoint": "270deg",
    } },
    { selector: ".far", style: { opacity: 0.15 } },
    { selector: "edge.near", style: {
      width: 2.2, "line-color": colour("accent"), "target-arrow-color": colour("accent"), label: "data(label)", "font-size": 10,
      color: colour("text"), "text-background-color": colour("card"), "text-background-opacity": 0.9, "text-background-padding": "2px",
      "text-wrap": "ellipsis", "text-max-width": "200px", "z-index": 9,
    } },
    { selector: "node.near", style: { "border-width": 3 } },
  ];
  const fit = () => {
    fitting = true;
    cy.fit(undefined, 24);
    if (cy.zoom() > 1.2) { cy.zoom(1.2); cy.center(); }
    fitting = false;
    moved = false;
  };
  const focus = (nodes) => {
    cy.elements().removeClass("far near");
    if (!nodes.length) return;
    const near = nodes.union(nodes.predecessors()).union(nodes.successors());
    cy.elements().not(near).addClass("far");
    near.edges().addClass("near");
    nodes.addClass("near");
  };
  const open = (node) => { if (node.data("url")) location.assign(node.data("url")); };
  // Each component by itself, then one below the other in columns that fill a window about as wide as this.
  const place = () => {
    const GAP = 36, boxes = cy.elements().components().map((part) => {
      part.layout({ name: "dagre", rankDir: "LR", nodeSep: 12, rankSep: 110, edgeSep: 6, fit: false }).run();
      return { part, ...part.nodes().boundingBox({ includeLabels: false }) };
    });
    boxes.sort((one, other) => other.h - one.h || other.w - one.w);
    const area = boxes.reduce((sum, { w, h }) => sum + (w + GAP) * (h + GAP), 0);
    const high = Math.max(boxes[0]?.h ?? 0, Math.sqrt((area * box.clientHeight) / box.clientWidth));
    let left = 0, top = 0, wide = 0;
    for (const { part, x1, y1, w, h } of boxes) {
      if (top && top + h > high) { left += wide + GAP; top = wide = 0; }
      const [x, y] = [left - x1, top - y1];
      part.nodes().positions((node) => ({ x: node.position("x") + x, y: node.position("y") + y }));
      top += h + GAP;
      wide = Math.max(wide, w);
    }
    cy.style().update();  // the edges bend by where their nodes are
  };
  const pencil = document.createElement("canvas").getContext("2d");
  const wide = (label) => {
    pencil.font = "12px system-ui, sans-serif";
    return Math.min(240, Math.ceil(pencil.measureText(label).width)) + 24;
  };
  const build = (graph) => {
    const nodes = graph.nodes.map((node) => ({ data: { ...node, width: wide(node.label) } }));
    const elements = [...nodes, ...graph.edges.map((data) => ({ data }))];
    cy = cytoscape({
      container: box, elements, style: style(), minZoom: 0.02, maxZoom: 3, autoungrabify: true, boxSelectionEnabled: false,
      layout: { name: "preset" },
    });
    place();
    fit();
    moved = false;
    cy.on("viewport", () => { moved = !fitting; });
    cy.on("tap", "node", (event) => open(event.target));
    cy.on("mouseover", "node", (event) => { focus(event.target); box.classList.add("over"); });
    cy.on("mouseout", "node", () => { find(); box.classList.remove("over"); });
    box.dataset.ready = cy.nodes().length;
    box.cytoscape = cy;
  };
  const found = () => {
    const text = search.value.trim().toLowerCase();
    return text ? cy.nodes().filter((node) => node.data("label").toLowerCase().includes(text)) : cy.collection();
  };
  const find = () => { if (cy) focus(found()); };
  const steps = {
    in: () => cy.zoom({ level: cy.zoom() * 1.3, renderedPosition: { x: box.clientWidth / 2, y: box.clientHeight / 2 } }),
    out: () => cy.zoom({ level: cy.zoom() / 1.3, renderedPosition: { x: box.clientWidth / 2, y: box.clientHeight / 2 } }),
    fit,
  };
  const keys = {
    "+": steps.in, "=": steps.in, "-": steps.out, 0: steps.fit,
    ArrowLeft: () => cy.panBy({ x: 60, y: 0 }), ArrowRight: () => cy.panBy({ x: -60, y: 0 }),
    ArrowUp: () => cy.panBy({ x: 0, y: 60 }), ArrowDown: () => cy.panBy({ x: 0, y: -60 }),
  };
  for (const button of document.querySelectorAll("[data-do]")) {
    button.addEventListener("click", () => { if (cy) steps[button.dataset.do](); });
  }
  addEventListener("keydown", (event) => {
    if (!cy || event.target.matches("input") || event.ctrlKey || event.metaKey || event.altKey) return;
    const moves = event.key.startsWith("Arrow");
    if (!keys[event.key] || (moves && document.activeElement !== box)) return;
    event.preventDefault();
    keys[event.key]();
  });
  search.addEventListener("input", find);
  search.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !cy) return;
    const nodes = found();
    const exact = nodes.filter((node) => node.id() === `p:${search.value.trim()}`);
    if (exact.length) open(exact[0]);
    else if (nodes.length === 1) open(nodes[0]);
    else if (nodes.length) cy.animate({ fit: { eles: nodes, padding: 60 }, duration: matchMedia("(prefers-reduced-motion: reduce)").matches ? 0 : 200 });
  });
  addEventListener("kck:data", (event) => {
    const graph = event.detail.graph;
    if (!cy || cy.nodes().length !== graph.nodes.length) {
      cy?.destroy();
      return build(graph);
    }
    for (const node of graph.nodes) cy.getElementById(node.id).data("state", node.state);
  });
  new ResizeObserver(() => { if (cy && !moved) { cy.resize(); fit(); } }).observe(box);
  addEventListener("kck:theme", () => { if (cy) cy.style(style()); });
})();
