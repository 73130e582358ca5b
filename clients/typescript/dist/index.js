/**
 * Products of kck_publish as they come: one stream for all keys that anybody has subscribed to.
 *
 * The stream is read by fetch, so that it works in Node and may carry headers. It resumes with the
 * version of each key, which is exact at any server. Where there are no streams (501), it asks again
 * by ETag.
 */
const LONGEST_PAUSE = 30_000;
export class Live {
    options;
    listeners = new Map();
    known = new Map();
    running = null;
    planned = false;
    streamed = "";
    current = "closed";
    beat = 15;
    constructor(options) {
        this.options = options;
    }
    /** Whether there is a stream. */
    get state() {
        return this.current;
    }
    /** The value that is known of a key; undefined where there is none, or none yet. */
    value(key) {
        return this.known.get(key)?.value;
    }
    /** Its version; null where there is none, or none yet. */
    version(key) {
        return this.known.get(key)?.version ?? null;
    }
    /** Be told what a key is, and what it becomes. The function that is given back unsubscribes. */
    subscribe(key, listener) {
        const own = (snapshot) => listener(snapshot);
        const all = this.listeners.get(key) ?? new Set();
        this.listeners.set(key, all.add(own));
        const known = this.known.get(key);
        if (known !== undefined)
            queueMicrotask(() => all.has(own) && own(known));
        this.plan();
        return () => {
            if (!all.delete(own) || all.size > 0)
                return;
            this.unsubscribe(key);
        };
    }
    /** Nobody is told of a key any more. */
    unsubscribe(key) {
        this.listeners.delete(key);
        this.known.delete(key);
        this.plan();
    }
    /** End, and forget everybody. */
    close() {
        this.listeners.clear();
        this.known.clear();
        this.stop();
        this.become("closed");
    }
    /** Several that come in one turn make one stream. */
    plan() {
        if (this.planned)
            return;
        this.planned = true;
        queueMicrotask(() => {
            this.planned = false;
            const keys = [...this.listeners.keys()].sort().join("\n");
            if (keys === this.streamed && this.running !== null)
                return;
            this.stop();
            this.streamed = keys;
            if (keys === "")
                return this.become("closed");
            const run = (this.running = new AbortController());
            void this.run(run.signal);
        });
    }
    stop() {
        this.running?.abort();
        this.running = null;
    }
    async run(signal) {
        let pause = this.options.retry ?? 1000;
        while (!signal.aborted) {
            this.become("connecting");
            try {
                const response = await this.ask("text/event-stream", signal);
                if (response.status === 501) {
                    await this.polls(signal);
                }
                else if (response.ok && response.body !== null) {
                    this.become("open");
                    pause = this.options.retry ?? 1000;
                    await this.read(response.body, signal);
                }
                else if (response.status < 500 && response.status !== 429) {
                    return this.refused(signal);
                }
            }
            catch {
                if (signal.aborted)
                    return;
            }
            await sleep(pause * (0.5 + Math.random()), signal);
            pause = Math.min(pause * 2, LONGEST_PAUSE);
        }
    }
    async ask(accept, signal, etag) {
        const query = this.streamed.split("\n").map((key) => {
            const version = this.known.get(key)?.version ?? 0;
            return `key=${encodeURIComponent(key)}&since=${version}`;
        });
        const given = this.options.headers;
        const headers = {
            ...(typeof given === "function" ? given() : given),
            Accept: accept,
        };
        if (etag !== undefined)
            headers["If-None-Match"] = etag;
        query.unshift("beat=1");
        const credentials = this.options.credentials ?? "same-origin";
        const request = { headers, credentials, signal, cache: "no-store" };
        return (this.options.fetch ?? fetch)(`${this.options.url}?${query.join("&")}`, request);
    }
    async read(body, signal) {
        const reader = body.getReader();
        const decoder = new TextDecoder();
        let rest = "";
        while (!signal.aborted) {
            // Of a server, or a network, that is gone nothing tells but that nothing comes.
            const silent = setTimeout(() => void reader.cancel(), 3000 * this.beat);
            const { done, value } = await reader.read().finally(() => clearTimeout(silent));
            if (done)
                return;
            const blocks = (rest + decoder.decode(value, { stream: true })).split("\n\n");
            rest = blocks.pop() ?? "";
            for (const block of blocks)
                this.hear(block);
        }
    }
    hear(block) {
        const fields = new Map();
        for (const line of block.split("\n")) {
            const colon = line.indexOf(":");
            if (colon > 0)
                fields.set(line.slice(0, colon), line.slice(colon + 1).trimStart());
        }
        const data = fields.get("data");
        if (fields.get("event") === "alive")
            this.beat = Number(data);
        else if (data !== undefined)
            this.take({ event: fields.get("event"), ...JSON.parse(data) });
    }
    async polls(signal) {
        let etag;
        while (!signal.aborted) {
            this.become("polling");
            const response = await this.ask("application/json", signal, etag);
            if (response.status === 403)
                return this.refused(signal);
            if (response.ok) {
                etag = response.headers.get("ETag") ?? undefined;
                for (const found of (await response.json()))
                    this.take(found);
            }
            await sleep(this.options.poll ?? 5000, signal);
        }
    }
    /** None of the keys may be seen: it is not asked again until the subscriptions change. */
    refused(signal) {
        if (signal.aborted)
            return;
        for (const key of this.streamed.split("\n")) {
            this.take({ event: "denied", key, version: null, value: undefined });
        }
        this.running = null;
        this.become("closed");
    }
    take(found) {
        const known = this.known.get(found.key);
        // A value without a version was computed for this reader alone: nothing tells it from another.
        const told = found.event !== "value" || found.version !== null;
        const same = told && known?.event === found.event && known.version === found.version;
        const older = found.event === "value" && (found.version ?? Infinity) < (known?.version ?? 0);
        const listeners = this.listeners.get(found.key);
        if (same || older || listeners === undefined)
            return;
        const snapshot = { ...found, value: found.event === "value" ? found.value : undefined };
        this.known.set(found.key, snapshot);
        for (const listener of [...listeners])
            listener(snapshot);
    }
    become(state) {
        if (state === this.current)
            return;
        this.current = state;
        this.options.onState?.(state);
    }
}
function sleep(milliseconds, signal) {
    return new Promise((resolve) => {
        const timer = setTimeout(end, milliseconds);
        signal.addEventListener("abort", end, { once: true });
        function end() {
            clearTimeout(timer);
            signal.removeEventListener("abort", end);
            resolve();
        }
    });
}
