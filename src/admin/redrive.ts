/**
 * Sending dead letters back: what would move and where, counted, and carrying it out over the port.
 *
 * The plan and the execution ask the same question of each letter. Letters that arrive in between are executed only where
 * they fit the same rules; none is taken away before its destination has it.
 */

import type { BrokerPort, MoveOptions } from './broker-port.ts'
import { letterFacts, redriveVerdict, type RedriveRules } from './letter.ts'

export interface PlannedMove {
  readonly to: string
  readonly reason: string | null
  readonly letterCount: number
}

export interface RedrivePlan {
  readonly topic: string
  /** By destination and reason; the most letters first. */
  readonly moves: readonly PlannedMove[]
  readonly moveCount: number
  /** Not asked for by the rules. */
  readonly otherCount: number
  readonly withoutOriginCount: number
  readonly tooOftenCount: number
  /** Letters beyond the limit of the plan were not looked at. */
  readonly isCut: boolean
}

/** @param limit most letters that are looked at */
export async function planRedrive(
  port: BrokerPort,
  { topic, rules, limit }: { topic: string; rules: RedriveRules; limit: number },
): Promise<RedrivePlan> {
  const moves = new Map<string, PlannedMove>()
  const counts = { other: 0, 'no origin': 0, 'sent back too often': 0 }
  let seen = 0
  let isCut = false
  for await (const letter of port.deadLetters.read(topic, { limit: limit + 1 })) {
    if (++seen > limit) {
      isCut = true
      break
    }
    const verdict = redriveVerdict(letter, rules, topic)
    if (verdict.kind === 'other') counts.other++
    else if (verdict.kind === 'stays') counts[verdict.why]++
    else {
      const { reason } = letterFacts(letter)
      const { topic: to } = verdict.destination
      const key = JSON.stringify([to, reason])
      const letterCount = (moves.get(key)?.letterCount ?? 0) + 1
      moves.set(key, { to, reason, letterCount })
    }
  }
  const planned = [...moves.values()].sort((left, right) => right.letterCount - left.letterCount)
  return {
    topic,
    moves: planned,
    moveCount: planned.reduce((sum, { letterCount }) => sum + letterCount, 0),
    otherCount: counts.other,
    withoutOriginCount: counts['no origin'],
    tooOftenCount: counts['sent back too often'],
    isCut,
  }
}

/** Says how many were moved when it is over or has failed, by `onMoved`. @throws ShoalError the first failure */
export function executeRedrive(
  port: BrokerPort,
  { topic, rules, ...options }: { topic: string; rules: RedriveRules } & MoveOptions,
): Promise<void> {
  return port.deadLetters.move(
    topic,
    (letter) => {
      const verdict = redriveVerdict(letter, rules, topic)
      return verdict.kind === 'move' ? verdict.destination : null
    },
    options,
  )
}
