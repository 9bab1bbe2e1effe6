/** A handler that takes 20 ms, and longer for the records that name a gate, until that is open. */

import { setTimeout } from 'node:timers/promises'
import { passGate } from './gate.ts'

export async function handle({ gate }: { readonly gate: string }): Promise<void> {
  await setTimeout(20)
  await passGate(gate, 1_000)
}
