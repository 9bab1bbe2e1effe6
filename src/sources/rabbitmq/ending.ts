/**
 * Closing a channel or a connection of amqplib, whatever becomes of the server meanwhile.
 *
 * amqplib's own promise resolves with the server's answer alone: where the connection goes before it, or the server is
 * silent, it never settles, and whoever awaits it waits for good.
 */

import type { Timers } from '../../core/index.ts'

/** A channel or a connection. */
export interface Closable {
  once(event: 'close', listener: () => void): unknown
  close(): Promise<void>
}

/** Resolves when it is closed, however, or the time is up. Never rejects: what was closed before is closed. */
export function ended(closable: Closable, timers: Timers, limitMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = timers.schedule(limitMs, resolve)
    const end = () => {
      timer.cancel()
      resolve()
    }
    closable.once('close', end)
    closable.close().then(end, end)
  })
}
