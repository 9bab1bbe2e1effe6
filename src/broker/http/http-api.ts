/**
 * The broker's HTTP API: the routes and its handlers, put together without a socket, which is all that most tests need.
 * `http-listener.ts` puts it on a port.
 */

import { type ApiLimits, ApiServer, brokerRoutes, type HttpLimits } from '../../http/index.ts'
import type { BrokerContext } from '../context.ts'
import { httpHandlers } from './handlers.ts'

export interface HttpApiOptions {
  readonly context: BrokerContext
  readonly hasFailed: () => boolean
  readonly token: string | null
  readonly allowedHosts: readonly string[]
  readonly limits: Partial<ApiLimits & HttpLimits>
  /** Asked when it listens. */
  readonly url: () => string
}

export function httpApi(options: HttpApiOptions): ApiServer {
  const { context, hasFailed, token, allowedHosts, limits, url } = options
  const { clock, logger } = context
  return ApiServer.of({
    routes: brokerRoutes,
    handlers: httpHandlers({ context, startedMs: clock.monotonicMs(), hasFailed, url }),
    guard: { token, allowedHosts },
    limits,
    clock,
    logger,
  })
}
