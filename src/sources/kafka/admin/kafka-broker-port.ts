/**
 * The broker port over Kafka's protocol. What was handed out and not committed only the members know, so nothing is
 * pending here: a group is as far as it has committed.
 */

import {
  firstUnread,
  viewGroup,
  type AdminPort,
  type BrokerPort,
  type GroupBacklog,
  type GroupListing,
  type LagFacts,
  type LagRow,
  type PartitionBacklog,
} from '../../../admin/index.ts'
import { systemClock } from '../../../core/index.ts'
import { KafkaClient, type KafkaClientOptions } from '../kafka-client.ts'
import type { KafkaPorts } from '../options.ts'
import { partitionKey } from '../topic-partition.ts'
import { GroupLagReader } from './group-lag-reader.ts'
import { KafkaAdmin } from './kafka-admin.ts'
import { KafkaDeadLetters } from './kafka-dead-letters.ts'

/** @throws ShoalError SHOAL_BROKER_UNREACHABLE */
export async function openKafkaBroker(
  options: KafkaClientOptions,
  ports: KafkaPorts = {},
): Promise<BrokerPort> {
  return new KafkaBroker(await KafkaClient.open(options, ports), options, ports)
}

class KafkaBroker implements BrokerPort {
  readonly backend = 'kafka'
  readonly deadLetters: KafkaDeadLetters
  readonly #client: KafkaClient
  readonly #admin: AdminPort
  readonly #nowMs: () => number

  constructor(client: KafkaClient, options: KafkaClientOptions, ports: KafkaPorts) {
    this.#client = client
    this.#admin = new KafkaAdmin(client)
    const clock = ports.clock ?? systemClock
    this.#nowMs = () => clock.wallMs()
    this.deadLetters = new KafkaDeadLetters({
      client,
      admin: this.#admin,
      options,
      ports,
      nowMs: this.#nowMs,
    })
  }

  listGroups(): Promise<readonly GroupListing[]> {
    return this.#admin.listGroups()
  }

  async groupBacklog(groupId: string): Promise<GroupBacklog> {
    const { group, rows } = await viewGroup(this.#admin, groupId)
    const rowOf = new Map(rows.map((row) => [partitionKey(row), row]))
    const topics = [...new Set(rows.map(({ topic }) => topic))]
    const facts =
      topics.length === 0
        ? []
        : await GroupLagReader.over(this.#client, { group: groupId, topics }).read()
    const nowMs = this.#nowMs()
    return {
      groupId,
      type: group.type,
      state: group.state,
      members: group.members.map(({ memberId, clientId, host }) => ({
        memberId,
        clientId,
        host: host.replace(/^\//, ''),
        idleMs: null,
        pending: null,
      })),
      partitions: facts.flatMap((fact) => {
        const row = rowOf.get(partitionKey(fact))
        return row === undefined ? [] : [partitionOf(fact, row, nowMs)]
      }),
      notes: [],
    }
  }

  close(): Promise<void> {
    return this.#client.close()
  }
}

function partitionOf(fact: LagFacts, { member }: LagRow, nowMs: number): PartitionBacklog {
  const { topic, partition, endOffset, committedOffset, oldestMs } = fact
  const lag = Math.max(0, endOffset - firstUnread(fact))
  return {
    topic,
    partition,
    position: committedOffset === null ? null : String(committedOffset),
    end: String(endOffset),
    lag,
    lagIsAtLeast: false,
    pending: null,
    oldestUnreadMs: lag === 0 ? 0 : oldestMs === null ? null : Math.max(0, nowMs - oldestMs),
    oldestPendingMs: null,
    memberIds: member === null ? [] : [member.memberId],
    writtenCount: endOffset,
  }
}
