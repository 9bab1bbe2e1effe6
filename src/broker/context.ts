/**
 * What the handlers of every protocol share: the broker's services.
 *
 * A handler decides nothing that a service could decide; it translates between the wire and these.
 */

import type { Address, BufferPool, Clock, Logger, Random, Timers } from '../core/index.ts'
import type { LogStore } from '../log/index.ts'
import type { DelayedService } from './delayed/delayed-service.ts'
import type { FetchSessions } from './fetch/fetch-session.ts'
import type { DeliveryService } from './delivery/delivery-service.ts'
import type { GroupService } from './group-service.ts'
import type { ProducerIdService } from './producer-ids.ts'
import type { BrokerSettings } from './settings/broker-settings.ts'
import type { ShareService } from './share/share-service.ts'
import type { TopicService } from './topics/topic-service.ts'

/** The one node of the cluster: leader of everything, coordinator of everything, controller. */
export const NODE_ID = 1

export interface BrokerContext {
  readonly settings: BrokerSettings
  readonly topics: TopicService
  readonly groups: GroupService
  /** Per-record delivery to members of groups. */
  readonly deliveries: DeliveryService
  /** Share sessions, and acknowledgements by offsets. */
  readonly shares: ShareService
  readonly producerIds: ProducerIdService
  readonly delayed: DelayedService
  readonly fetchSessions: FetchSessions
  readonly logs: LogStore
  /** Where large requests are read to; the logs say when they are done with them. */
  readonly buffers: BufferPool
  readonly clock: Clock
  readonly timers: Timers
  readonly random: Random
  readonly logger: Logger
  /** The name of the data folder, for DescribeLogDirs. */
  readonly dataName: string
  /** Where clients that came in by this address find the broker. */
  advertised(listenerAddress: Address): Address
}
