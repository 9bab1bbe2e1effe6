/**
 * A broker without sockets, for tests of the handlers: messages go through the codec, into the handler and back.
 *
 * Files are in memory. Time is virtual and moves when the test moves it; what waits for the next turn of the event loop,
 * such as a flush, gets it by itself.
 */

import type { Timers } from '../core/index.ts'
import {
  concatBytes,
  seededRandom,
  silentLogger,
  systemTimers,
  VirtualClock,
} from '../core/index.ts'
import type { FileStore } from '../log/index.ts'
import type { Api, FieldMap, InputsOf, ValuesOf } from '../protocol/index.ts'
import {
  decodeResponseFrame,
  encodeRequestFrame,
  FRAME_LENGTH_BYTES,
  Reader,
  readRequestHeader,
} from '../protocol/index.ts'
import { checkOptions } from './broker-options.ts'
import type { BrokerOptions } from './broker-options.ts'
import type { BrokerParts } from './broker-parts.ts'
import { openParts } from './broker-parts.ts'
import type { BrokerSettingsInput } from './settings/broker-settings.ts'
import type { ClientConnection } from './kafka/handler.ts'
import { kafkaHandlers } from './kafka/handlers/index.ts'

export interface FixtureOptions {
  readonly settings?: BrokerSettingsInput
  readonly files?: FileStore
  /** To go on with after a restart; default: a new one. */
  readonly clock?: VirtualClock
}

export interface FixtureConnection extends ClientConnection {
  /** Why the handler closed it, or null. */
  readonly closedBecause: string | null
  /** The client goes away. */
  disconnect(): void
}

export class BrokerFixture {
  readonly parts: BrokerParts
  readonly clock: VirtualClock
  readonly connection: FixtureConnection = fixtureConnection()

  private constructor(parts: BrokerParts, clock: VirtualClock) {
    this.parts = parts
    this.clock = clock
  }

  static async open({
    settings = {},
    files,
    clock = new VirtualClock(),
  }: FixtureOptions = {}): Promise<BrokerFixture> {
    const timers: Timers = {
      schedule: (delayMs, fire) => clock.schedule(delayMs, fire),
      soon: (fire) => systemTimers.soon(fire),
    }
    const options: BrokerOptions = {
      settings: { 'group.initial.rebalance.delay.ms': 0, ...settings },
      ...(files === undefined ? {} : { files }),
      clock,
      timers,
      random: seededRandom(7),
      logger: silentLogger,
    }
    return new BrokerFixture(await openParts(options, checkOptions(options)), clock)
  }

  /** The answer to one request in one version. */
  async ask<Request extends FieldMap, Response extends FieldMap>(
    api: Api<Request, Response>,
    version: number,
    request: InputsOf<Request>,
    connection: ClientConnection = this.connection,
  ): Promise<ValuesOf<Response>> {
    const answer = await this.#start(api, version, request, connection)
    if (answer === null) throw new Error(`${api.name} was not answered`)
    const bytes = concatBytes(answer(1)).subarray(FRAME_LENGTH_BYTES)
    return decodeResponseFrame(api, version, bytes).response
  }

  /** For a request that has no answer. */
  async tell<Request extends FieldMap>(
    api: Api<Request>,
    version: number,
    request: InputsOf<Request>,
    connection: ClientConnection = this.connection,
  ): Promise<void> {
    const answer = await this.#start(api, version, request, connection)
    if (answer !== null) throw new Error(`${api.name} was answered`)
  }

  #start<Request extends FieldMap>(
    api: Api<Request>,
    version: number,
    request: InputsOf<Request>,
    connection: ClientConnection,
  ) {
    const handler = kafkaHandlers.find((each) => each.key === api.key)
    if (handler === undefined) throw new Error(`${api.name} has no handler`)
    const header = { version, correlationId: 1, clientId: 'fixture' }
    const frame = concatBytes(encodeRequestFrame(api, header, request))
    const reader = new Reader(frame.subarray(FRAME_LENGTH_BYTES))
    const { clientId } = readRequestHeader(reader)
    const { context } = this.parts
    return handler.start(reader, { version, clientId: clientId ?? '', context, connection })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.parts.context.deliveries.close()
    this.parts.context.groups.close()
    await this.parts.context.delayed.close()
    await this.parts.context.logs.close()
  }
}

export function fixtureConnection(id = 1): FixtureConnection {
  const gone = new AbortController()
  let closedBecause: string | null = null
  return {
    id,
    clientHost: '/127.0.0.1',
    clientSoftware: null,
    listenerAddress: { host: '127.0.0.1', port: 9_092 },
    signal: gone.signal,
    identify() {},
    close(reason) {
      closedBecause = reason
    },
    get closedBecause() {
      return closedBecause
    },
    disconnect: () => gone.abort(),
  }
}

/** A member's last heartbeat, as the group service takes it. */
export function leaveRequest(groupId: string, memberId: string) {
  return {
    kind: 'consumer-heartbeat',
    apiVersion: 1,
    clientId: memberId,
    clientHost: '/127.0.0.1',
    groupId,
    memberId,
    memberEpoch: -1,
    instanceId: null,
    rackId: null,
    rebalanceTimeoutMs: -1,
    subscribedTopicNames: null,
    subscribedTopicRegex: null,
    serverAssignor: null,
    topicPartitions: null,
  } as const
}
