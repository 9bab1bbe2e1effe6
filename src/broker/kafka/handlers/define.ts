/** The constructor of this broker's handlers, and what many of their answers share. */

import type { BrokerContext } from '../../context.ts'
import type { DefineHandler } from '../handler.ts'
import { handlerFor } from '../handler.ts'

export const handler: DefineHandler<BrokerContext> = handlerFor<BrokerContext>()

/** Where a leadership answer would name another node: there is none. */
export const NO_LEADER = { leaderId: -1, leaderEpoch: -1 } as const

/** Items that come more than once, as text: requests may name a thing once. */
export function duplicates(names: Iterable<string>): ReadonlySet<string> {
  const seen = new Set<string>()
  const twice = new Set<string>()
  for (const name of names) (seen.has(name) ? twice : seen).add(name)
  return twice
}
