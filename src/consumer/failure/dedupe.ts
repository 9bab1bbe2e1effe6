/**
 * Handles a record once, although it may be delivered more than once: a store remembers what was done.
 *
 *   claim ─▶ new ──▶ the handler runs ──▶ done: remembered for `ttl`
 *     │                    └── fails ──▶ released: the next attempt claims again
 *     ├───▶ done ──▶ skipped
 *     └───▶ busy ──▶ waits in its lane: another member, a zombie maybe, handles the same key
 *
 * A claim is a lease, so a process that died with it holds nobody up for longer. What stays open: a crash between the end
 * of the handler and `done`. Where that matters, the store's row belongs into the handler's own transaction.
 * When the store does not answer, the attempt fails: nothing runs unchecked.
 */

import { messageOf } from '../../core/index.ts'
import type { Logger } from '../../core/index.ts'
import type { Ctx } from '../options.ts'
import type { DedupeStore } from './dedupe-store.ts'
import { NotYet, verdictOf } from '../dispatch/outcome.ts'

export interface DedupeSettings {
  readonly store: DedupeStore
  readonly keyOf: (value: unknown, ctx: Ctx) => string
  readonly ttlMs: number
  readonly leaseMs: number
}

/** How long to wait before a busy key is asked for again. */
const BUSY_MS = 250

type Handle = (value: unknown, ctx: Ctx) => unknown

/** @param member what tells this process from every other one. */
export function deduped(
  handle: Handle,
  { store, keyOf, ttlMs, leaseMs }: DedupeSettings,
  member: string,
  logger: Logger,
): Handle {
  return async (value, ctx) => {
    const key = keyOf(value, ctx)
    const owner = `${member}/${ctx.id}`
    const claimed = await store.claim(key, owner, leaseMs)
    if (claimed === 'done') return { skip: 'handled before' }
    if (claimed === 'busy') throw new NotYet(BUSY_MS)
    let outcome: unknown
    try {
      outcome = await handle(value, ctx)
    } catch (error) {
      await quietly('released', () => store.release(key, owner))
      throw error
    }
    const { kind } = verdictOf(outcome)
    // After an abort a return may be the abort itself, swallowed.
    const isDone = (kind === 'handled' || kind === 'skipped') && !ctx.signal.aborted
    await quietly(isDone ? 'remembered' : 'released', () =>
      isDone ? store.done(key, owner, ttlMs) : store.release(key, owner),
    )
    return outcome

    /** The work is done or has failed: what the store says no longer changes that; the lease will end. */
    async function quietly(what: string, act: () => Promise<void>): Promise<void> {
      try {
        await act()
      } catch (error) {
        logger.log('error', `a key could not be ${what} in the dedupe store`, {
          id: ctx.id,
          error: messageOf(error),
        })
      }
    }
  }
}
