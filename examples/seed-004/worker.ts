/**
 * A service that takes five-second tasks from a topic, as many at a time as the machine has cores.
 *
 * Run it with `shoal run examples/seed-004/worker.ts`; `.env.example` has what it needs to know.
 */

import { setTimeout } from 'node:timers/promises'
import { availableParallelism } from 'node:os'
import type { Ctx, ServiceOptions } from 'shoal'

const TASK_MS = 5_000

export const options: ServiceOptions = { order: 'none', concurrency: availableParallelism() }

export async function handle(
  message: unknown,
  ctx: Ctx,
  { log }: { log: (line: string) => void },
): Promise<void> {
  log(`Processing message: ${display(message)}`)
  await setTimeout(TASK_MS, undefined, { signal: ctx.signal })
  log(`Finished processing message: ${display(message)}`)
}

/** JSON with single quotes and spaces, as the Python service prints its dictionaries. */
function display(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`
  if (Array.isArray(value)) return `[${value.map(display).join(', ')}]`
  if (typeof value !== 'object' || value === null) return String(value)
  const members = Object.entries(value).map(([name, member]) => `'${name}': ${display(member)}`)
  return `{${members.join(', ')}}`
}
