/**
 * A session of one member over a scripted cluster, in virtual time, with everything it told the runtime.
 */

import { ShoalError, VirtualClock, seededRandom } from '../../core/index.ts'
import type {
  Assignment,
  OwnedPartition,
  SourceNotice,
  SourceSession,
} from '../../consumer/index.ts'
import {
  consumerGroupHeartbeat,
  encodeAssignment,
  heartbeat,
  joinGroup,
  leaveGroup,
  syncGroup,
} from '../../protocol/index.ts'
import type { KafkaErrorCode } from '../../protocol/index.ts'
import { clusterScript, topicIdOf } from './cluster-script.test.ts'
import { kafka } from './kafka-source.ts'
import { partitionKey } from './topic-partition.ts'
import type { KafkaSourceOptions } from './options.ts'
import { NO_ERROR } from './scripted-transport.test.ts'

/** The coordinator of a group that our member has to itself: it gets what `assignment` says. */
interface ScriptedGroup {
  generation: number
  /** Null: all partitions of t that exist. */
  assignment: readonly number[] | null
  beforeJoin: () => Promise<void>
  rebalance(): void
  /** The next heartbeat finds no such member. */
  expel(): void
}

/** The coordinator of a KIP-848 group that our member has to itself. */
export interface ScriptedConsumerGroup {
  memberEpoch: number
  /** By topic: what the next heartbeat is told to own; null: as before. */
  assignment: Readonly<Record<string, readonly number[]>> | null
  /** What the next heartbeat is answered with instead, once. */
  error: KafkaErrorCode
}

export async function openSession({
  options = {},
  generation = 1,
  drainTimeoutMs = 20_000,
  exactlyOnce = false,
  before = () => {},
}: {
  options?: Partial<KafkaSourceOptions>
  generation?: number
  drainTimeoutMs?: number
  exactlyOnce?: boolean
  before?: (world: { script: ReturnType<typeof clusterScript> }) => unknown
} = {}) {
  const clock = new VirtualClock()
  const script = clusterScript({ timers: clock, brokers: ['b1', 'b2'], topics: { t: [1, 1] } })
  const group = scriptGroup(script, generation)
  const consumerGroup = scriptConsumerGroup(script)
  before({ script })
  const world = {
    clock,
    script,
    group,
    consumerGroup,
    assigned: [] as Assignment[],
    revoked: [] as OwnedPartition[],
    limitsMs: [] as (number | undefined)[],
    lost: [] as OwnedPartition[],
    notices: [] as SourceNotice[],
    failures: [] as unknown[],
    onRevoked: async (): Promise<void> => {},
    session: null as unknown as SourceSession,
    codes: () =>
      world.failures.map((error) => (error instanceof ShoalError ? error.code : String(error))),
    asked: (api: Parameters<typeof script.transport.asked>[0]) =>
      script.transport.asked(api).length,
    /** Commits one partition in its present epoch; the virtual clock stands still meanwhile. */
    async commit(partition: number, offset: number, metadata = ''): Promise<string | undefined> {
      const epoch = world.assigned.findLast((one) => one.partition === partition)?.epoch ?? -1
      const results = await world.session.commit([
        { topic: 't', partition, epoch, offset, metadata },
      ])
      return results[0]?.outcome
    },
  }
  const source = kafka(
    {
      brokers: 'b1:9092',
      ...(options.topicPattern === undefined ? { topics: ['t'] } : {}),
      // Said by a member, it makes it a classic one.
      ...(options.groupProtocol === undefined ? { heartbeatIntervalMs: 1_000 } : {}),
      ...options,
    },
    { transport: script.transport, clock, timers: clock, random: seededRandom(1) },
  )
  const opening = source.open({
    group: 'g',
    drainTimeoutMs,
    exactlyOnce,
    events: {
      assigned: (assignments) => void world.assigned.push(...assignments),
      revoked: async (partitions, limitMs) => {
        world.revoked.push(...partitions)
        world.limitsMs.push(limitMs)
        await world.onRevoked()
      },
      lost: (partitions) => void world.lost.push(...partitions),
      records: () => {},
      endOfPartition: () => {},
      notice: (notice) => void world.notices.push(notice),
      failed: (error) => void world.failures.push(error),
    },
  })
  // Coordinators that are not there are asked again for a while.
  opening.catch(() => {})
  await clock.advance(20)
  if (script.coordinator !== 1) await clock.advance(20_000)
  world.session = await opening
  await clock.advance(0)
  return world
}

function scriptGroup(
  script: ReturnType<typeof clusterScript>,
  firstGeneration: number,
): ScriptedGroup {
  let answer: KafkaErrorCode = NO_ERROR
  const group: ScriptedGroup = {
    generation: firstGeneration - 1,
    assignment: null,
    beforeJoin: async () => {},
    rebalance: () => void (answer = 'REBALANCE_IN_PROGRESS'),
    expel: () => void (answer = 'UNKNOWN_MEMBER_ID'),
  }
  const { transport } = script
  transport.on(joinGroup, async ({ memberId, protocols }) => {
    await group.beforeJoin()
    answer = NO_ERROR
    group.generation++
    const id = memberId === '' ? 'm' : memberId
    return {
      throttleTimeMs: 0,
      errorCode: NO_ERROR,
      generationId: group.generation,
      protocolType: 'consumer',
      protocolName: protocols[0]?.name ?? '',
      leader: id,
      skipAssignment: false,
      memberId: id,
      members: [{ memberId: id, groupInstanceId: null, metadata: protocols[0]!.metadata }],
    }
  })
  transport.on(syncGroup, ({ assignments }) => {
    const ours = group.assignment
    const assignedPartitions = ours === null ? null : [{ topic: 't', partitions: ours }]
    return {
      throttleTimeMs: 0,
      errorCode: NO_ERROR,
      protocolType: 'consumer',
      protocolName: 'p',
      assignment:
        assignedPartitions === null
          ? assignments[0]!.assignment
          : encodeAssignment({ assignedPartitions, userData: null }),
    }
  })
  transport.on(heartbeat, () => ({ throttleTimeMs: 0, errorCode: answer }))
  transport.on(leaveGroup, ({ members }) => ({
    throttleTimeMs: 0,
    errorCode: NO_ERROR,
    members: members.map(({ memberId, groupInstanceId }) => ({
      memberId,
      groupInstanceId,
      errorCode: NO_ERROR,
    })),
  }))
  return group
}

function scriptConsumerGroup(script: ReturnType<typeof clusterScript>): ScriptedConsumerGroup {
  const group: ScriptedConsumerGroup = {
    memberEpoch: 1,
    assignment: { t: [0, 1] },
    error: NO_ERROR,
  }
  script.transport.on(consumerGroupHeartbeat, ({ memberEpoch, memberId }) => {
    const { assignment, error } = group
    group.error = NO_ERROR
    if (error === NO_ERROR && memberEpoch >= 0) group.assignment = null
    const topics = Object.entries(
      memberEpoch === 0 && assignment === null ? { t: [0, 1] } : (assignment ?? {}),
    )
    const isTold = error === NO_ERROR && (memberEpoch === 0 || assignment !== null)
    return {
      throttleTimeMs: 0,
      errorCode: error,
      errorMessage: null,
      memberId,
      memberEpoch: memberEpoch < 0 ? memberEpoch : group.memberEpoch,
      heartbeatIntervalMs: 1_000,
      assignment: isTold
        ? {
            topicPartitions: topics.map(([topic, partitions]) => ({
              topicId: topicIdOf(topic, script.remakes.get(topic)),
              partitions,
            })),
          }
        : null,
    }
  })
  return group
}

export function keyOf(partition: number): string {
  return partitionKey({ topic: 't', partition })
}
