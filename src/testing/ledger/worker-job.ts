/**
 * What a crash ledger and its worker processes say to each other: the job as the first argument, messages over the
 * process's own channel.
 */

import type { LedgerPlace } from './ledger-broker.ts'

/** What a worker process does. */
export interface WorkerJob {
  /** URL of the user's module: it exports `handle`, as for `shoal run`, or `run`. */
  readonly module: string
  readonly worker: string
  readonly ledger: string
  /** The topic on its broker: `open(place.url, place.openOptions)` opens it, whatever the broker is. */
  readonly place: LedgerPlace
  /** `host:port,…` for Kafka, the URL for the others. */
  readonly brokers: string
  readonly topic: string
  readonly group: string
  readonly sessionTimeoutMs: number
  /** Wins over what the module says; null leaves it to the module. */
  readonly concurrency: number | null
}

/** `working`: the first record has begun. `progress`: there are new lines. `order`: what the module's consumer promises. */
export type WorkerMessage =
  | { readonly kind: 'working' | 'progress' }
  | { readonly kind: 'order'; readonly order: 'none' | 'partition' | 'key' | 'by' }
