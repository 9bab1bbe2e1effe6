/**
 * One client's connection: frames in, answers out, in the order of the requests.
 *
 *   chunks ─▶ frame assembler ─▶ start handler ─▶ in flight, in order ─▶ answers that are ready, from the first on
 *               ▲ pulled: a frame is taken only when it may start
 *
 * One request runs at a time, as in Kafka; only pipelined ones (Produce) start while others of their kind are in flight,
 * up to a limit. What may not start stays where it is: unread bytes in the socket, and the peer waits. Reading also stops
 * while the client does not take its answers, and while all connections together hold too many bytes.
 * What cannot be served ends the connection: earlier answers are sent, then it closes, and one line says why.
 */

import type { Address, BufferPool, Connection, LogLevel } from '../../core/index.ts'
import { messageOf, ShoalError } from '../../core/index.ts'
import { FRAME_LENGTH_BYTES } from '../../protocol/index.ts'
import type { Dispatcher } from './dispatch.ts'
import { foreignProtocol } from './foreign-protocol.ts'
import { FrameAssembler } from './frame-assembler.ts'
import type { ClientConnection, ClientSoftware, EncodeFrame } from './handler.ts'
import type { BudgetMember, InFlightBudget } from './in-flight-budget.ts'
import type { ListenerLimits } from './limits.ts'

/** What a connection needs of its listener. */
export interface ConnectionHost {
  readonly dispatcher: Pick<Dispatcher<unknown>, 'start' | 'isPipelined' | 'refusalOf'>
  readonly limits: ListenerLimits
  readonly budget: InFlightBudget
  /** Where the buffers of large requests come from. */
  readonly buffers: BufferPool | undefined
  monotonicMs(): number
  /** Calls back after the I/O that is pending. */
  soon(fire: () => void): void
  log(level: LogLevel, message: string, fields: Readonly<Record<string, unknown>>): void
  closed(connection: KafkaConnection): void
}

interface InFlight {
  readonly api: string
  readonly version: number
  readonly correlationId: number
  readonly bytes: number
  readonly pipelined: boolean
  /** Released when it is answered, if nobody keeps a part of it without saying so: Produce; else null. */
  readonly frame: Uint8Array | null
  /** Undefined while the handler runs, null when there is nothing to send. */
  answer: EncodeFrame | 'failed' | null | undefined
}

/** A request header without its client id: api key, version, correlation id. */
const SMALLEST_REQUEST_BYTES = 8

/** Requests that one connection may start in one turn of the event loop before the others have theirs. */
const TURN_REQUESTS = 64

/** Bytes of a request that give it one second more to arrive. */
const SLOWEST_BYTES_PER_SECOND = 16_384

export class KafkaConnection implements ClientConnection, BudgetMember {
  readonly id: number
  readonly clientHost: string
  readonly listenerAddress: Address
  clientSoftware: ClientSoftware | null = null
  readonly #wire: Connection
  readonly #host: ConnectionHost
  readonly #assembler: FrameAssembler
  /** A whole frame that may not start yet. */
  #held: Uint8Array | null = null
  readonly #inFlight: InFlight[] = []
  #state: 'open' | 'finishing' | 'ending' | 'closed' = 'open'
  #keepsUp = true
  #reading = true
  #startedInTurn = 0
  #resting = false
  /** Bytes that arrived and are in no request yet. */
  #unclaimedBytes = 0
  #framesSeen = 0
  #abort: AbortController | null = null
  /** The client is gone or the listener closes. */
  #unwanted = false
  #lastTrafficMs: number
  /** Since when the request that is not whole arrives. */
  #partialSinceMs: number | null = null
  #endingSinceMs = 0

  constructor(id: number, wire: Connection, host: ConnectionHost) {
    this.id = id
    this.clientHost = `/${withoutMapping(wire.remote.host)}`
    this.listenerAddress = { host: withoutMapping(wire.local.host), port: wire.local.port }
    this.#wire = wire
    this.#host = host
    this.#assembler = new FrameAssembler({
      minFrameBytes: SMALLEST_REQUEST_BYTES,
      maxFrameBytes: host.limits.maxRequestBytes,
      ...(host.buffers !== undefined && { buffers: host.buffers }),
    })
    this.#lastTrafficMs = host.monotonicMs()
    host.budget.join(this)
    wire.open({
      data: (chunk) => this.#data(chunk),
      room: () => this.#assembler.room(),
      drain: () => this.#drained(),
      close: () => this.#closed(),
    })
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController()
    if (this.#unwanted) this.#abort.abort()
    return this.#abort.signal
  }

  get requestsInFlight(): number {
    return this.#inFlight.length
  }

  get hasPartial(): boolean {
    return this.#assembler.partialBytes > 0
  }

  identify(software: ClientSoftware): void {
    this.clientSoftware = software
  }

  close(reason: string): void {
    this.#finish('info', 'closed a connection', reason)
  }

  /** Takes no more requests, tells long polls to end, and closes when what was asked is answered. */
  drain(): void {
    if (this.#state !== 'open') return
    this.#state = 'finishing'
    this.#stopReading()
    this.#abandon()
    if (this.#inFlight.length === 0) this.#end()
  }

  destroy(): void {
    this.#wire.destroy()
  }

  budgetChanged(): void {
    this.#regulate()
  }

  /** Called now and then by the listener: closes what has been silent, or dripping, for too long. */
  sweep(nowMs: number): void {
    const { idleTimeoutMs, frameTimeoutMs, closeTimeoutMs } = this.#host.limits
    if (this.#state === 'ending' && nowMs - this.#endingSinceMs >= closeTimeoutMs) this.destroy()
    if (this.#state !== 'open') return
    const grantedMs =
      frameTimeoutMs + (this.#assembler.partialBytes / SLOWEST_BYTES_PER_SECOND) * 1_000
    if (this.#partialSinceMs !== null && nowMs - this.#partialSinceMs >= grantedMs)
      this.#refuse(`a request took longer than ${frameTimeoutMs} ms to arrive`)
    else if (this.#inFlight.length === 0 && nowMs - this.#lastTrafficMs >= idleTimeoutMs) {
      this.#host.log('debug', 'closed an idle connection', this.#fields())
      this.destroy()
    }
  }

  #data(chunk: Uint8Array): void {
    if (this.#state !== 'open') return
    this.#lastTrafficMs = this.#host.monotonicMs()
    this.#host.budget.add(chunk.length)
    this.#unclaimedBytes += chunk.length
    this.#startedInTurn = 0
    this.#assembler.push(chunk)
    this.#advance()
    this.#assembler.settle()
  }

  /** Starts what may start, then decides whether to read. */
  #advance(): void {
    while (this.#state === 'open' && this.#mayStart()) {
      const frame = this.#held ?? this.#nextFrame()
      if (frame === null) break
      this.#held = frame
      if (this.#inFlight.length > 0 && !this.#host.dispatcher.isPipelined(frame)) break
      this.#held = null
      this.#start(frame)
    }
    this.#regulate()
  }

  /** Whether any request may start; one that is not pipelined waits for all before it besides. */
  #mayStart(): boolean {
    if (!this.#keepsUp || this.#resting) return false
    if (this.#startedInTurn >= TURN_REQUESTS) {
      this.#rest()
      return false
    }
    const last = this.#inFlight.at(-1)
    return (
      last === undefined ||
      (last.pipelined && this.#inFlight.length < this.#host.limits.maxPipelinedRequests)
    )
  }

  /** Lets the other connections have their turn. */
  #rest(): void {
    this.#resting = true
    this.#host.soon(() => {
      this.#resting = false
      this.#startedInTurn = 0
      this.#advance()
    })
  }

  #nextFrame(): Uint8Array | null {
    const next = this.#assembler.next()
    switch (next.kind) {
      case 'frame':
        this.#partialSinceMs = null
        this.#framesSeen++
        return next.bytes
      case 'refused': {
        const foreign = this.#framesSeen === 0 ? foreignProtocol(next.size) : null
        this.#refuse(foreign ?? `a request of ${next.size} bytes`)
        return null
      }
      case 'incomplete': {
        if (!this.hasPartial) return null
        this.#partialSinceMs ??= this.#host.monotonicMs()
        // A request that cannot be served is not waited for.
        const refusal = this.#host.dispatcher.refusalOf(this.#assembler.partial)
        if (refusal !== null) this.#refuse(refusal)
        return null
      }
    }
  }

  #start(frame: Uint8Array): void {
    const bytes = frame.length + FRAME_LENGTH_BYTES
    let dispatched
    try {
      dispatched = this.#host.dispatcher.start(frame, this)
    } catch (error) {
      return this.#failed('a request', error)
    }
    if (dispatched.kind === 'refused') return this.#refuse(dispatched.reason)
    const { api, version, correlationId, pipelined, answer } = dispatched
    const entry: InFlight = {
      api,
      version,
      correlationId,
      bytes,
      pipelined,
      frame: pipelined ? frame : null,
      answer: undefined,
    }
    this.#startedInTurn++
    this.#unclaimedBytes -= bytes
    this.#inFlight.push(entry)
    answer.then(
      (encode) => this.#settled(entry, encode),
      (error: unknown) => {
        this.#failed(`${api} version ${version}`, error)
        this.#settled(entry, 'failed')
      },
    )
  }

  #settled(entry: InFlight, answer: EncodeFrame | 'failed' | null): void {
    entry.answer = answer
    for (let first = this.#inFlight[0]; first?.answer !== undefined; first = this.#inFlight[0]) {
      this.#inFlight.shift()
      // Without this answer those after it cannot be told apart by a client that counts on their order.
      if (first.answer === 'failed') this.#end()
      else if (first.answer !== null) this.#send(first, first.answer)
      if (first.answer !== 'failed' && first.frame !== null)
        this.#host.buffers?.release(first.frame)
      this.#host.budget.release(first.bytes)
      this.#host.budget.handled(this)
    }
    if (this.#state === 'finishing' && this.#inFlight.length === 0) this.#end()
    else this.#advance()
  }

  #send({ api, version, correlationId }: InFlight, encode: EncodeFrame): void {
    if (this.#state !== 'open' && this.#state !== 'finishing') return
    try {
      this.#keepsUp = this.#wire.write(encode(correlationId))
      this.#lastTrafficMs = this.#host.monotonicMs()
    } catch (error) {
      this.#failed(`the answer to ${api} version ${version}`, error)
      this.#end()
    }
  }

  #drained(): void {
    this.#keepsUp = true
    this.#lastTrafficMs = this.#host.monotonicMs()
    this.#advance()
  }

  /** Reads unless bytes wait that may not start, or too many have arrived on all connections together. */
  #regulate(): void {
    if (this.#state !== 'open') return
    const backlog = this.#held !== null || this.#assembler.waiting
    if (backlog || !this.#host.budget.mayRead(this)) return this.#stopReading()
    if (this.#reading) return
    this.#reading = true
    this.#wire.resume()
  }

  #stopReading(): void {
    if (!this.#reading) return
    this.#reading = false
    this.#wire.pause()
  }

  /** The client sent what cannot be served. */
  #refuse(reason: string): void {
    this.#finish('warn', 'closed a connection that sent what cannot be served', reason)
  }

  /** A handler or an encoder threw: the client cannot be told, so it is cut off and asks again. */
  #failed(what: string, error: unknown): void {
    const expected = error instanceof ShoalError && error.code === 'SHOAL_CLOSED'
    this.#finish(
      expected ? 'debug' : 'error',
      'closed a connection because a request failed',
      `${what}: ${messageOf(error)}`,
    )
  }

  #finish(level: LogLevel, message: string, reason: string): void {
    if (this.#state !== 'open') return
    this.#host.log(level, message, { ...this.#fields(), reason })
    this.#state = 'finishing'
    this.#stopReading()
    if (this.#inFlight.length === 0) this.#end()
  }

  /** Sends what was answered, then closes. What still arrives is read and dropped: unread bytes would reset the connection under the answers. */
  #end(): void {
    if (this.#state === 'ending' || this.#state === 'closed') return
    this.#state = 'ending'
    this.#endingSinceMs = this.#host.monotonicMs()
    if (this.#wire.writableLength === 0 && !this.#unwanted) return this.#wire.destroy()
    this.#wire.end()
    this.#wire.resume()
  }

  #closed(): void {
    this.#state = 'closed'
    this.#abandon()
    this.#host.budget.release(this.#unclaimedBytes)
    this.#unclaimedBytes = 0
    this.#host.budget.leave(this)
    this.#host.closed(this)
  }

  #abandon(): void {
    this.#unwanted = true
    this.#abort?.abort()
  }

  #fields(): Readonly<Record<string, unknown>> {
    return { connection: this.id, client: this.clientHost, software: this.clientSoftware }
  }
}

/** An IPv4 client of an IPv6 socket has the address `::ffff:127.0.0.1`; Kafka writes `127.0.0.1`. */
function withoutMapping(host: string): string {
  return host.startsWith('::ffff:') ? host.slice('::ffff:'.length) : host
}
