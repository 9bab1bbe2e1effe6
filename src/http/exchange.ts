/**
 * One request and its answer, as the API server sees them: a port. Real form: `listener/node-server.ts`; tests make their own.
 */

/** Asked for before bytes of a body are kept: why they may not be, or null. */
export type TakeBytes<Refusal> = (byteLength: number) => Refusal | null

export interface ApiRequest {
  readonly method: string
  /** Path and query, as they came. */
  readonly target: string
  /** The address of the peer. */
  readonly peerHost: string
  /** Aborts when the peer goes away before it is answered. */
  readonly signal: AbortSignal
  /** The value of a header, by its name in lower case. */
  header(name: string): string | undefined
  /** The whole body, or the first refusal of `take`; what is announced is asked for before it is read. */
  body<Refusal>(take: TakeBytes<Refusal>): Promise<Uint8Array | Refusal>
}

/** An answer; it can be sent more than once. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly text: string
}

/** What a listener serves. */
export interface ServedApi {
  readonly isClosing: boolean
  /** Rejects only when the peer is gone before its body came. */
  answer(request: ApiRequest): Promise<Answer>
  /** Ends what waits, and resolves when the last request is answered. Idempotent. */
  close(): Promise<void>
}
