/** A handler for crash ledgers: 20 ms of waiting for somebody else, as a call over the network is. */

import { setTimeout } from 'node:timers/promises'

export async function handle(): Promise<void> {
  await setTimeout(20)
}
