/**
 * Moving the committed offsets of a group: planned by `http/reset-offsets.ts` over what this broker knows, committed as an
 * administrator, and for a group at work between a pause and its end.
 */

import type { brokerRoutes, Caller, Handlers, ProposedReset, ResetPort } from '../../http/index.ts'
import { planOffsetReset, Problem, problem } from '../../http/index.ts'
import { ShoalError } from '../../core/index.ts'
import { type BrokerContext, NODE_ID } from '../context.ts'
import type { HttpContext } from './http-context.ts'

type ResetHandlers = Pick<Handlers<typeof brokerRoutes>, 'resetOffsets'>

/** The ids of the topics whose ends a plan rests on, by name. */
type MeasuredTopics = Map<string, string>

/** A pause that ends by itself when nothing else ends it. */
const LONGEST_PAUSE_MS = 15 * 60_000
const LOOK_MS = 50

export function resetHandlers({ context }: HttpContext): ResetHandlers {
  const { groups, clock } = context
  return {
    resetOffsets: async ({ params: { groupId }, body }, caller) => {
      const measured: MeasuredTopics = new Map()
      const port = resetPort(context, measured)
      const plan = () => planOffsetReset(port, { groupId, ...body }, clock.wallMs())
      const proposed = await plan()
      if (proposed instanceof Problem) return proposed
      const generation = await generationOf(context, groupId)
      if (body.if_generation !== undefined && body.if_generation !== generation)
        return problem('STALE_GENERATION', `group ${groupId} is at generation ${generation}`, {
          extras: { generation },
        })
      if (body.dry_run) return answer(groupId, proposed, false)
      const isLive = (proposed.group?.members.length ?? 0) > 0
      if (!isLive) return commit(context, groupId, proposed, measured)
      if (!body.pause_first)
        return problem(
          'GROUP_NOT_EMPTY',
          `group ${groupId} has members; stop them, or say pause_first. Nothing changed`,
        )
      const untilMs = clock.wallMs() + LONGEST_PAUSE_MS
      const reason = 'offsets are being reset'
      await groups.request<'pause'>({ kind: 'pause', groupId, reason, untilMs })
      try {
        const holders = await untilHeld(context, groupId, { waitMs: body.wait_ms, caller })
        if (holders.length > 0)
          return problem(
            'GROUP_NOT_EMPTY',
            `members of ${groupId} have not given up their partitions: ${holders.join(', ')}. Nothing changed`,
          )
        // What members committed on their way out counts.
        const again = await plan()
        return again instanceof Problem ? again : await commit(context, groupId, again, measured)
      } finally {
        await groups.request<'resume'>({ kind: 'resume', groupId })
      }
    },
  }
}

async function commit(
  context: BrokerContext,
  groupId: string,
  proposed: ProposedReset,
  measured: MeasuredTopics,
) {
  const gone = goneMeanwhile(context, groupId, proposed, measured)
  if (gone !== null) return gone
  const byTopic = Map.groupBy(proposed.plan.resets, ({ topic }) => topic)
  const { topics } = await context.groups.request<'offset-commit'>({
    kind: 'offset-commit',
    apiVersion: 9,
    groupId,
    generationIdOrMemberEpoch: -1,
    memberId: '',
    groupInstanceId: null,
    retentionTimeMs: -1,
    topics: Array.from(byTopic, ([name, resets]) => ({
      name,
      partitions: resets.map(({ partition, newOffset }) => ({
        partitionIndex: partition,
        committedOffset: newOffset,
        committedLeaderEpoch: -1,
        committedMetadata: null,
      })),
    })),
  })
  const refused = topics
    .flatMap(({ partitions }) => partitions)
    .find(({ errorCode }) => errorCode !== 'NONE')
  // Somebody joined between the plan and the commit: the coordinator takes all or nothing of an administrator.
  return refused === undefined
    ? answer(groupId, proposed, true)
    : problem('GROUP_NOT_EMPTY', `group ${groupId} came to life meanwhile; nothing changed`)
}

/** In the turn of the commit: a topic or a group that was deleted since the plan gets no offsets from it. */
function goneMeanwhile(
  { groups, topics }: BrokerContext,
  groupId: string,
  { plan, group }: ProposedReset,
  measured: MeasuredTopics,
): Problem | null {
  // A group that was not there at the plan begins with it.
  const isGone = groups.peek((coordinator) => coordinator.owners(groupId)) === undefined
  if (group !== null && isGone)
    return problem('UNKNOWN_GROUP', `group ${groupId} was deleted meanwhile; nothing changed`)
  const gone = plan.resets.find(
    ({ topic }) => topics.table.byName(topic)?.topicId !== measured.get(topic),
  )
  return gone === undefined
    ? null
    : problem('UNKNOWN_TOPIC', `the topic ${gone.topic} was deleted meanwhile; nothing changed`)
}

function answer(groupId: string, { plan }: ProposedReset, executed: boolean) {
  return {
    group_id: groupId,
    executed,
    plan: plan.resets.map((row) => ({
      topic: row.topic,
      partition: row.partition,
      from: row.committed,
      to: row.newOffset,
      delta: row.delta,
      records: row.skipped + row.repeated,
      clamped: row.notes.some((note) => note.startsWith('clamped')),
      note: row.notes.join(', '),
    })),
  }
}

/** Who still has partitions when the time is over; nobody, when the group is held. */
async function untilHeld(
  { groups, clock, timers }: BrokerContext,
  groupId: string,
  { waitMs, caller }: { readonly waitMs: number; readonly caller: Caller },
): Promise<readonly string[]> {
  const endMs = clock.monotonicMs() + waitMs
  for (;;) {
    const state = await groups.ask((coordinator) => coordinator.pauseOf(groupId))
    const holders = state?.owners.map(({ memberId }) => memberId) ?? []
    if (holders.length === 0 || clock.monotonicMs() >= endMs || caller.signal.aborted)
      return holders
    await new Promise<void>((resolve) => void timers.schedule(LOOK_MS, resolve))
  }
}

async function generationOf({ groups }: BrokerContext, groupId: string): Promise<number> {
  return groups.ask((coordinator) => coordinator.timeline(groupId)?.generation ?? 0)
}

/** What a plan asks, answered by this broker. */
function resetPort({ groups, topics }: BrokerContext, measured: MeasuredTopics): ResetPort {
  return {
    describeGroup: async (groupId) => {
      const known = await groups.ask((coordinator) => {
        const all = coordinator.list({ statesFilter: [], typesFilter: [] })
        const listed = all.find((each) => each.groupId === groupId)
        return listed && { listed, owners: coordinator.owners(groupId) ?? [] }
      })
      // Share groups keep no committed offsets.
      if (known === undefined || known.listed.groupType === 'share')
        throw new ShoalError('SHOAL_UNKNOWN_GROUP', `group ${groupId} does not exist`)
      const { groupState, groupType, protocolType } = known.listed
      return {
        groupId,
        type: groupType === 'consumer' ? 'Consumer' : 'Classic',
        state: groupState,
        protocolType,
        assignor: '',
        coordinator: { id: NODE_ID, host: '', port: 0 },
        epochs: null,
        members: known.owners.map(({ memberId, clientId, partitions }) => ({
          memberId,
          groupInstanceId: null,
          clientId,
          host: '',
          assignment: partitions,
          memberEpoch: null,
          targetAssignment: null,
          targetEpoch: null,
          upgraded: null,
        })),
      }
    },
    committedOffsets: async (groupId) => {
      const asked = { groupId, memberId: null, memberEpoch: -1, topics: null }
      const fetched = await groups.ask((coordinator) => coordinator.fetchOffsets(asked))
      return fetched.topics.flatMap(({ name, partitions }) =>
        partitions.map(({ partitionIndex, committedOffset, ...rest }) => ({
          topic: name,
          partition: partitionIndex,
          offset: committedOffset,
          leaderEpoch: rest.committedLeaderEpoch,
          metadata: rest.metadata,
        })),
      )
    },
    describeTopic: async (name) => {
      const topic = topics.table.byName(name)
      if (topic === undefined)
        throw new ShoalError('SHOAL_UNKNOWN_TOPIC', `topic ${name} does not exist`)
      return { partitionCount: topic.partitionCount }
    },
    offsets: (partitions, spec) =>
      Promise.all(
        partitions.map(async ({ topic: name, partition }) => {
          const topic = topics.table.byName(name)
          // The first look counts: a topic that is made anew between two of them is another one.
          if (topic !== undefined && !measured.has(name)) measured.set(name, topic.topicId)
          const log = topic === undefined ? null : await topics.log(topic, partition)
          if (log === null) return { topic: name, partition, offset: null }
          const offset =
            spec === 'earliest'
              ? log.logStartOffset
              : spec === 'latest'
                ? log.highWatermark
                : ((await log.offsetForTimestamp(spec.atMs))?.offset ?? null)
          return { topic: name, partition, offset }
        }),
      ),
  }
}
