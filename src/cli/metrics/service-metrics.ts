/**
 * What a service tells Prometheus: counters of what happens (`events.ts`), gauges of how it is (`gauges.ts`), and Node's
 * own process metrics.
 */

import type * as Prometheus from '@prometheus-io/client'
import type { Clock } from '../../core/index.ts'
import { countEvents } from './events.ts'
import { type GaugeFacts, showBreakers, showConsumer, showLag } from './gauges.ts'
import { Meters } from './meters.ts'

export interface MetricsOptions extends Omit<GaugeFacts, 'activity'> {
  /** Loaded by who asks for metrics: it costs a start its time. */
  readonly library: typeof Prometheus
  readonly group: string
  readonly clock: Clock
}

export class ServiceMetrics implements Disposable {
  readonly #registry: Prometheus.Registry
  readonly #counting: Disposable

  constructor({ library, group, clock, ...facts }: MetricsOptions) {
    const meters = new Meters(library, group)
    const counting = countEvents(meters, group, clock)
    const { activity } = counting
    showConsumer(meters, { ...facts, activity })
    showBreakers(meters, { ...facts, activity })
    showLag(meters, { ...facts, activity })
    library.collectDefaultMetrics({ register: meters.registry })
    this.#registry = meters.registry
    this.#counting = counting
  }

  /** The media type of `text`. */
  get contentType(): string {
    return this.#registry.contentType
  }

  /** The name of every metric. */
  get names(): readonly string[] {
    return this.#registry.getMetricsAsArray().map(({ name }) => name)
  }

  /** Everything as it is now, in Prometheus' text format. */
  text(): Promise<string> {
    return this.#registry.metrics()
  }

  /** Counts no more. */
  [Symbol.dispose](): void {
    this.#counting[Symbol.dispose]()
  }
}
