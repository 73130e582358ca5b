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
export declare class Live {
    private readonly options;
    private readonly listeners;
    private readonly known;
    private running;
    private planned;
    private streamed;
    private current;
    private beat;
    constructor(options: Options);
    /** Whether there is a stream. */
    get state(): State;
    /** The value that is known of a key; undefined where there is none, or none yet. */
    value<T>(key: string): T | undefined;
    /** Its version; null where there is none, or none yet. */
    version(key: string): number | null;
    /** Be told what a key is, and what it becomes. The function that is given back unsubscribes. */
    subscribe<T>(key: string, listener: (snapshot: Snapshot<T>) => void): () => void;
    /** Nobody is told of a key any more. */
    unsubscribe(key: string): void;
    /** End, and forget everybody. */
    close(): void;
    /** Several that come in one turn make one stream. */
    private plan;
    private stop;
    private run;
    private ask;
    private read;
    private hear;
    private polls;
    /** None of the keys may be seen: it is not asked again until the subscriptions change. */
    private refused;
    private take;
    private become;
}
