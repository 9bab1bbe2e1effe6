/**
 * A gate for handlers of workers in processes of their own: until the test opens it (by making its file) each record takes
 * long, so that there is work left when something happens, however slow the machine. No handler waits for ever: one that a
 * rebalance waits for ends as well.
 */

import { existsSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'

const LOOK_EVERY_MS = 20

/** @param path of the gate's file; empty where there is no gate */
export async function passGate(path: string, longestMs: number): Promise<void> {
  if (path === '') return
  for (let waitedMs = 0; waitedMs < longestMs && !existsSync(path); waitedMs += LOOK_EVERY_MS)
    await setTimeout(LOOK_EVERY_MS)
}
