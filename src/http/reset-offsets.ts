/**
 * A reset over HTTP, from its request to a plan: what the pure model of `admin/` says, over whatever a server can answer.
 *
 * Carrying it out is the server's: see `broker/http/reset-handlers.ts`.
 */

import {
  partitionKey,
  proposeReset,
  type NewOffset,
  type ProposedReset,
  type ResetPort,
  type ResetTarget,
} from '../admin/index.ts'
import { ShoalError } from '../core/index.ts'
import { type Problem, problem } from './problems.ts'
import { parseResetTarget } from './reset-target.ts'

export type { ProposedReset, ResetPort } from '../admin/index.ts'

export interface ResetAsked {
  readonly groupId: string
  /** The grammar of `reset-target.ts`; left out where `partitions` say it. */
  readonly to?: string | undefined
  readonly topics?: readonly string[] | undefined
  readonly partitions?: readonly NewOffset[] | undefined
}

export async function planOffsetReset(
  port: ResetPort,
  asked: ResetAsked,
  nowMs: number,
): Promise<ProposedReset | Problem> {
  const { groupId, to, topics, partitions } = asked
  if ((to === undefined) === (partitions === undefined))
    return invalid('to', 'say either to, or partitions with their offsets')
  try {
    if (partitions !== undefined)
      return checked(
        await proposeReset(port, {
          groupId,
          target: listed('the request', partitions),
          scope: partitions.map(({ topic, partition }) => ({ topic, partitions: [partition] })),
        }),
      )
    const spec = parseResetTarget(to ?? '', nowMs)
    if (spec === null)
      return invalid(
        'to',
        `${to}: expected earliest, latest, current, an offset, +N, -N, @2026-11-21T10:00:00Z, @-2h or group:NAME`,
      )
    const others = spec.kind === 'group' ? await port.committedOffsets(spec.groupId) : []
    const target = spec.kind === 'group' ? listed(`group ${spec.groupId}`, others) : spec
    const named = topics?.map((topic) => ({ topic, partitions: null }))
    const taken = others.map(({ topic, partition }) => ({ topic, partitions: [partition] }))
    const scope = named ?? (spec.kind === 'group' ? taken : 'committed')
    return checked(await proposeReset(port, { groupId, target, scope }))
  } catch (error) {
    if (!(error instanceof ShoalError)) throw error
    if (error.code === 'SHOAL_UNKNOWN_GROUP') return problem('UNKNOWN_GROUP', error.message)
    if (error.code === 'SHOAL_UNKNOWN_TOPIC') return problem('UNKNOWN_TOPIC', error.message)
    if (error.code === 'SHOAL_REQUEST_FAILED') return invalid('topics', error.message)
    throw error
  }
}

function checked(proposed: ProposedReset): ProposedReset | Problem {
  const { problems } = proposed.plan
  if (problems.length === 0) return proposed
  const words = problems.map((each) => `${each.topic}/${each.partition}: ${each.problem}`)
  return problem('INVALID_REQUEST', `${words.join('; ')}; nothing changed`, {
    errors: problems.map((each) => ({
      path: `body.to.${each.topic}.${each.partition}`,
      message: each.problem,
    })),
  })
}

function listed(source: string, offsets: readonly NewOffset[]): ResetTarget {
  const byPartition = new Map(offsets.map((each) => [partitionKey(each), each.offset]))
  return { kind: 'listed', source, offsets: byPartition }
}

function invalid(field: string, message: string): Problem {
  return problem('INVALID_REQUEST', message, { errors: [{ path: `body.${field}`, message }] })
}
