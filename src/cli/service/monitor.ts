/**
 * What others may ask a service over HTTP: whether it lives, whether it is ready, and its metrics.
 *
 *   /livez /healthz   200 while the event loop turns
 *   /readyz           200, or 503 with what fails; ?verbose lists every check
 *   /metrics          Prometheus' text format
 *
 * It answers until the service has left its group: a probe must see that it stops. Nothing here tells what records hold, so
 * nobody is asked for a token.
 */

import { z } from 'zod'
import type { Address, Clock, Logger, Timers } from '../../core/index.ts'
import { ApiServer, HttpListener, problem, route } from '../../http/index.ts'
import type { Readiness } from './readiness.ts'

const check = z.strictObject({ status: z.enum(['pass', 'fail']), message: z.string() })
const health = z.strictObject({
  status: z.literal('pass'),
  checks: z.record(z.string(), check).optional(),
})
const open = { method: 'GET', tag: 'Ops', problems: [], isOpen: true, examples: [] } as const

const routes = {
  livez: route({ ...open, path: '/livez', summary: 'Whether the process lives', response: health }),
  healthz: route({ ...open, path: '/healthz', summary: 'The same', response: health }),
  readyz: route({
    ...open,
    path: '/readyz',
    summary: 'Whether the service takes records',
    query: z.strictObject({ verbose: z.boolean().default(false) }),
    response: health,
  }),
  metrics: route({
    ...open,
    path: '/metrics',
    summary: 'Metrics for Prometheus',
    response: z.string(),
    produces: 'text/plain; version=0.0.4; charset=utf-8',
  }),
}

export interface MonitorOptions {
  readonly address: Address
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
  readiness(): Readiness
  metrics(): Promise<string>
}

/** @throws ShoalError SHOAL_ADDRESS_UNUSABLE */
export function openMonitor(options: MonitorOptions): Promise<HttpListener> {
  const { address, clock, timers, logger, readiness, metrics } = options
  const api = ApiServer.of({
    routes,
    handlers: {
      livez: () => ({ status: 'pass' as const }),
      healthz: () => ({ status: 'pass' as const }),
      readyz: ({ query }) => {
        const { isReady, checks } = readiness()
        if (isReady) return { status: 'pass' as const, ...(query.verbose ? { checks } : {}) }
        const failing = Object.entries(checks).filter(([, { status }]) => status === 'fail')
        const words = failing.map(([name, { message }]) => `${name}: ${message}`).join('; ')
        const extras = query.verbose ? { checks } : {}
        return problem('UNAVAILABLE', `not ready: ${words}`, { extras })
      },
      metrics,
    },
    // Probes and scrapers call by whatever name leads here; there is nothing to change and no record to read.
    guard: { allowedHosts: ['*'], token: null },
    clock,
    logger,
  })
  return HttpListener.open({ address, api, timers, logger })
}
