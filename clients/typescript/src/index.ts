/**
 * Products of kck_publish as they come: one stream for all keys that anybody has subscribed to.
 *
 * The stream is read by fetch, so that it works in Node and may carry headers. It resumes with the
 * version of each key, which is exact at any server. Where there are no streams (501), it asks again
 * by ETag.
 */

export type State = "connecting" | "open" | "polling" | "closed";

/** What is known of a key; `value` is undefined where there is none (`gone`, `denied`). */
export interface Snapshot<T> {
  readonly event: "value" | "gone" | "denied";
  readonly key: string;
  readonly version: number | null;
  readonly value: T | undefined;
}

export interface Options {
  /** Where the hub is: "/live/", or with the origin. */
  url: string;
  /** Sent with each request, a token for instance. */
  headers?: Record<string, string> | (() => Record<string, string>);
  /** "same-origin" if not given. */
  credentials?: RequestCredentials;
  fetch?: typeof fetch;
  /** Milliseconds: of the first pause after a loss (it doubles up to 30 s), and between two polls. */
  retry?: number;
  poll?: number;
  /** Told of each change of the connection. */
  onState?: (state: State) => void;
}

type Listener = (snapshot: Snapshot<unknown>) => void;

const LONGEST_PAUSE = 30_000;

export class Live {
  private readonly listeners = new Map<string, Set<Listener>>();
  private readonly known = new Map<string, Snapshot<unknown>>();
  private running: AbortController | null = null;
  private planned = false;
  private streamed = "";
  private current: State = "closed";
  private beat = 15;

  constructor(private readonly options: Options) {}

  /** Whether there is a stream. */
  get state(): State {
    return this.current;
  }

  /** The value that is known of a key; undefined where there is none, or none yet. */
  value<T>(key: string): T | undefined {
    return this.known.get(key)?.value as T | undefined;
  }

  /** Its version; null where there is none, or none yet. */
  version(key: string): number | null {
    return this.known.get(key)?.version ?? null;
  }

  /** Be told what a key is, and what it becomes. The function that is given back unsubscribes. */
  subscribe<T>(key: string, listener: (snapshot: Snapshot<T>) => void): () => void {
    const own: Listener = (snapshot) => listener(snapshot as Snapshot<T>);
    const all = this.listeners.get(key) ?? new Set<Listener>();
    this.listeners.set(key, all.add(own));
    const known = this.known.get(key);
    if (known !== undefined) queueMicrotask(() => all.has(own) && own(known));
    this.plan();
    return () => {
      if (!all.delete(own) || all.size > 0) return;
      this.unsubscribe(key);
    };
  }

  /** Nobody is told of a key any more. */
  unsubscribe(key: string): void {
    this.listeners.delete(key);
    this.known.delete(key);
    this.plan();
  }

  /** End, and forget everybody. */
  close(): void {
    this.listeners.clear();
    this.known.clear();
    this.stop();
    this.become("closed");
  }

  /** Several that come in one turn make one stream. */
  private plan(): void {
    if (this.planned) return;
    this.planned = true;
    queueMicrotask(() => {
      this.planned = false;
      const keys = [...this.listeners.keys()].sort().join("\n");
      if (keys === this.streamed && this.running !== null) return;
      this.stop();
      this.streamed = keys;
      if (keys === "") return this.become("closed");
      const run = (this.running = new AbortController());
      void this.run(run.signal);
    });
  }

  private stop(): void {
    this.running?.abort();
    this.running = null;
  }

  private async run(signal: AbortSignal): Promise<void> {
    let pause = this.options.retry ?? 1000;
    while (!signal.aborted) {
      this.become("connecting");
      try {
        const response = await this.ask("text/event-stream", signal);
        if (response.status === 501) {
          await this.polls(signal);
        } else if (response.ok && response.body !== null) {
          this.become("open");
          pause = this.options.retry ?? 1000;
          await this.read(response.body, signal);
        } else if (response.status < 500 && response.status !== 429) {
          return this.refused(signal);
        }
      } catch {
        if (signal.aborted) return;
      }
      await sleep(pause * (0.5 + Math.random()), signal);
      pause = Math.min(pause * 2, LONGEST_PAUSE);
    }
  }

  private async ask(accept: string, signal: AbortSignal, etag?: string): Promise<Response> {
    const query = this.streamed.split("\n").map((key) => {
      const version = this.known.get(key)?.version ?? 0;
      return `key=${encodeURIComponent(key)}&since=${version}`;
    });
    const given = this.options.headers;
    const headers: Record<string, string> = {
      ...(typeof given === "function" ? given() : given),
      Accept: accept,
    };
    if (etag !== undefined) headers["If-None-Match"] = etag;
    query.unshift("beat=1");
    const credentials = this.options.credentials ?? "same-origin";
    const request = { headers, credentials, signal, cache: "no-store" as const };
    return (this.options.fetch ?? fetch)(`${this.options.url}?${query.join("&")}`, request);
  }

  private async read(body: ReadableStream<Uint8Array>, signal: AbortSignal): Promise<void> {
    const reader = body.getReader();
    const decoder = new TextDecoder();
    let rest = "";
    while (!signal.aborted) {
      // Of a server, or a network, that is gone nothing tells but that nothing comes.
      const silent = setTimeout(() => void reader.cancel(), 3000 * this.beat);
      const { done, value } = await reader.read().finally(() => clearTimeout(silent));
      if (done) return;
      const blocks = (rest + decoder.decode(value, { stream: true })).split("\n\n");
      rest = blocks.pop() ?? "";
      for (const block of blocks) this.hear(block);
    }
  }

  private hear(block: string): void {
    const fields = new Map<string, string>();
    for (const line of block.split("\n")) {
      const colon = line.indexOf(":");
      if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1).trimStart());
    }
    const data = fields.get("data");
    if (fields.get("event") === "alive") this.beat = Number(data);
    else if (data !== undefined) this.take({ event: fields.get("event"), ...JSON.parse(data) });
  }

  private async polls(signal: AbortSignal): Promise<void> {
    let etag: string | undefined;
    while (!signal.aborted) {
      this.become("polling");
      const response = await this.ask("application/json", signal, etag);
      if (response.status === 403) return this.refused(signal);
      if (response.ok) {
        etag = response.headers.get("ETag") ?? undefined;
        for (const found of (await response.json()) as Snapshot<unknown>[]) this.take(found);
      }
      await sleep(this.options.poll ?? 5000, signal);
    }
  }

  /** None of the keys may be seen: it is not asked again until the subscriptions change. */
  private refused(signal: AbortSignal): void {
    if (signal.aborted) return;
    for (const key of this.streamed.split("\n")) {
      this.take({ event: "denied", key, version: null, value: undefined });
    }
    this.running = null;
    this.become("closed");
  }

  private take(found: Snapshot<unknown>): void {
    const known = this.known.get(found.key);
    // A value without a version was computed for this reader alone: nothing tells it from another.
    const told = found.event !== "value" || found.version !== null;
    const same = told && known?.event === found.event && known.version === found.version;
    const older = found.event === "value" && (found.version ?? Infinity) < (known?.version ?? 0);
    const listeners = this.listeners.get(found.key);
    if (same || older || listeners === undefined) return;
    const snapshot = { ...found, value: found.event === "value" ? found.value : undefined };
    this.known.set(found.key, snapshot);
    for (const listener of [...listeners]) listener(snapshot);
  }

  private become(state: State): void {
    if (state === this.current) return;
    this.current = state;
    this.options.onState?.(state);
  }
}

function sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(end, milliseconds);
    signal.addEventListener("abort", end, { once: true });
    function end(): void {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    }
  });
}
