/**
 * A handler for crash ledgers with uneven work: most keys take 20 ms, one in twenty takes 200, so that much finishes
 * beyond the oldest unfinished record.
 */

import { setTimeout } from 'node:timers/promises'
import type { Ctx, ServiceOptions } from 'shoal'

export const options: ServiceOptions = { commit: { every: '100ms', records: 200 } }

export async function handle(_message: unknown, { key }: Ctx): Promise<void> {
  await setTimeout(Number(key?.slice('key-'.length)) % 20 === 0 ? 200 : 20)
}
