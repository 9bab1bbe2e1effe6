/**
 * Where metrics are made: one registry, with the labels that every series of a group has.
 *
 * Labels are backend, group and topic; what else a series says is its own. `backend` is `kafka`, for Shoal's broker too:
 * that is what it speaks.
 */

import type * as Prometheus from '@prometheus-io/client'

export type Labels = Readonly<Record<string, string>>

/** Labels of every series of a group. */
export const COMMON: readonly string[] = ['backend', 'group']
export const BY_TOPIC: readonly string[] = [...COMMON, 'topic']

const BACKEND = 'kafka'
const SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300]

export class Meters {
  readonly registry: Prometheus.Registry
  /** Backend and group, as labels. */
  readonly common: Labels
  readonly #library: typeof Prometheus

  constructor(library: typeof Prometheus, group: string) {
    this.#library = library
    this.registry = new library.Registry()
    this.common = { backend: BACKEND, group }
  }

  counter(name: string, help: string, labelNames: readonly string[]): Prometheus.Counter<string> {
    return new this.#library.Counter({
      name,
      help,
      labelNames: [...labelNames],
      registers: [this.registry],
    })
  }

  /** Of seconds, by topic. */
  histogram(name: string, help: string): Prometheus.Histogram<string> {
    return new this.#library.Histogram({
      name,
      help,
      labelNames: [...BY_TOPIC],
      buckets: SECONDS,
      registers: [this.registry],
    })
  }

  /** Read at each scrape; series of the scrape before are gone. */
  gauge(
    name: string,
    help: string,
    labelNames: readonly string[],
    read: (set: (value: number, labels?: Labels) => void) => void,
  ): void {
    const gauge: Prometheus.Gauge<string> = new this.#library.Gauge({
      name,
      help,
      labelNames: [...labelNames],
      registers: [this.registry],
      collect: () => {
        gauge.reset()
        read((value, labels = {}) => gauge.set({ ...labels }, value))
      },
    })
  }
}
