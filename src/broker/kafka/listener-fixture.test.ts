/**
 * For tests: a listener over a simulated network in virtual time, whose handlers wait until the test answers, and a
 * client that speaks frames.
 */

import type { BufferPool, Connection, LinkFaults } from '../../core/index.ts'
import {
  concatBytes,
  memoryLogger,
  seededRandom,
  SimNetwork,
  VirtualClock,
} from '../../core/index.ts'
import type { Api, FieldMap, ResponseOf } from '../../protocol/index.ts'
import {
  decodeResponseFrame,
  encodeRequestFrame,
  heartbeat,
  joinGroup,
  listGroups,
  produce,
} from '../../protocol/index.ts'
import { FrameAssembler } from './frame-assembler.ts'
import type { ClientConnection, Handler } from './handler.ts'
import { handlerFor } from './handler.ts'
import { apiVersionsHandler } from './handlers/api-versions.ts'
import type { ListenerLimits } from './limits.ts'
import { KafkaListener } from './listener.ts'

export interface StartedCall {
  readonly api: string
  readonly clientId: string
  readonly connection: ClientConnection
  /** Lets the handler answer. */
  answer(): void
  fail(error: Error): void
  /** As Produce with acks 0: there is nothing to send. */
  stayQuiet(): void
}

export interface FixtureOptions {
  readonly limits?: Partial<ListenerLimits>
  readonly faults?: LinkFaults
  readonly buffers?: BufferPool
}

export async function listenerFixture({ limits = {}, faults = {}, buffers }: FixtureOptions = {}) {
  const clock = new VirtualClock()
  const logger = memoryLogger()
  const network = new SimNetwork({ timers: clock, random: seededRandom(7), faults })
  const started: StartedCall[] = []
  const handlers = handlersInto(started)
  const listener = await KafkaListener.open({
    network,
    address: { host: '127.0.0.1', port: 9092 },
    handlers,
    context: null,
    limits,
    ...(buffers !== undefined && { buffers }),
    clock,
    timers: clock,
    logger,
  })

  async function connect(): Promise<SimClient> {
    const connecting = network.connect(listener.address)
    await clock.advance(0)
    return new SimClient(await connecting)
  }

  /** Lets what can happen now happen. */
  const settle = () => clock.advance(0)
  return { clock, network, listener, logger, started, connect, settle }
}

function handlersInto(started: StartedCall[]): readonly Handler<null>[] {
  const handler = handlerFor<null>()
  const waitFor = <Response>(
    api: string,
    { clientId, connection }: { clientId: string; connection: ClientConnection },
    response: Response,
  ) =>
    new Promise<Response | null>((resolve, reject) => {
      started.push({
        api,
        clientId,
        connection,
        answer: () => resolve(response),
        fail: reject,
        stayQuiet: () => resolve(null),
      })
    })
  const served = [
    handler(produce, (call) =>
      waitFor('Produce', call, { responses: [], throttleTimeMs: 0, nodeEndpoints: [] }),
    ),
    handler(heartbeat, (call) =>
      waitFor('Heartbeat', call, { throttleTimeMs: 0, errorCode: 'NONE' }),
    ),
    handler(joinGroup, (call) =>
      waitFor('JoinGroup', call, {
        throttleTimeMs: 0,
        errorCode: 'NONE',
        generationId: 1,
        protocolType: null,
        protocolName: '',
        leader: '',
        skipAssignment: false,
        memberId: '',
        members: [],
      }),
    ),
    // Answers at once, with as many bytes as the client id says: `1000000 bytes`.
    handler(listGroups, ({ clientId }) =>
      Promise.resolve({
        throttleTimeMs: 0,
        errorCode: 'NONE',
        groups: Array.from({ length: Math.ceil((Number.parseInt(clientId) || 0) / 1_000) }, () => ({
          groupId: 'g'.repeat(1_000),
          protocolType: '',
          groupState: '',
          groupType: '',
        })),
      }),
    ),
  ]
  return [apiVersionsHandler({ served }), ...served]
}

/** Speaks frames, remembers the answers in the order they came. */
export class SimClient {
  readonly connection: Connection
  readonly frames: Uint8Array[] = []
  readonly #assembler = new FrameAssembler({ minFrameBytes: 4, maxFrameBytes: 2 ** 30 })
  isClosed = false

  constructor(connection: Connection) {
    this.connection = connection
    connection.open({
      data: (chunk) => {
        this.#assembler.push(chunk)
        for (
          let next = this.#assembler.next();
          next.kind === 'frame';
          next = this.#assembler.next()
        )
          this.frames.push(next.bytes)
      },
      drain: () => {},
      close: () => {
        this.isClosed = true
      },
    })
  }

  get correlationIds(): readonly number[] {
    return this.frames.map((frame) => Buffer.from(frame).readInt32BE(0))
  }

  /** One write of several frames. */
  send(...frames: readonly Uint8Array[]): void {
    this.connection.write([concatBytes(frames)])
  }

  answer<Response extends FieldMap>(
    api: Api<FieldMap, Response>,
    version: number,
    index = 0,
  ): ResponseOf<Api<FieldMap, Response>> {
    const frame = this.frames[index]
    if (frame === undefined) throw new Error(`there is no answer ${index}`)
    return decodeResponseFrame(api, version, frame).response
  }
}

export function heartbeatFrame(correlationId: number, clientId = 'c'): Uint8Array {
  return concatBytes(
    encodeRequestFrame(
      heartbeat,
      { version: 4, correlationId, clientId },
      { groupId: 'g', generationId: 1, memberId: 'm', groupInstanceId: null },
    ),
  )
}

export function joinGroupFrame(correlationId: number): Uint8Array {
  return concatBytes(
    encodeRequestFrame(
      joinGroup,
      { version: 0, correlationId, clientId: 'c' },
      {
        groupId: 'g',
        sessionTimeoutMs: 10_000,
        rebalanceTimeoutMs: -1,
        memberId: '',
        groupInstanceId: null,
        protocolType: 'consumer',
        protocols: [],
        reason: null,
      },
    ),
  )
}

export function listGroupsFrame(correlationId: number, answerBytes: number): Uint8Array {
  return concatBytes(
    encodeRequestFrame(
      listGroups,
      { version: 0, correlationId, clientId: `${answerBytes} bytes` },
      { statesFilter: [], typesFilter: [] },
    ),
  )
}

export function produceFrame(correlationId: number, recordBytes = 10): Uint8Array {
  return concatBytes(
    encodeRequestFrame(
      produce,
      { version: 9, correlationId, clientId: 'p' },
      {
        transactionalId: null,
        acks: -1,
        timeoutMs: 1_000,
        topicData: [
          { name: 't', partitionData: [{ index: 0, records: new Uint8Array(recordBytes) }] },
        ],
      },
    ),
  )
}

/** A request that ends with its header, the client id null. */
export function headerFrame(apiKey: number, version: number, correlationId = 1): Uint8Array {
  const frame = Buffer.alloc(14)
  frame.writeInt32BE(10, 0)
  frame.writeInt16BE(apiKey, 4)
  frame.writeInt16BE(version, 6)
  frame.writeInt32BE(correlationId, 8)
  frame.writeInt16BE(-1, 12)
  return frame
}
