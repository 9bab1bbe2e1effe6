/**
 * The broker's HTTP API: the routes, its handlers and a listener, put together.
 *
 * `httpApi` makes it without a socket, which is all that most tests need; `openHttp` puts it on a port.
 */

import type { Address } from '../../core/index.ts'
import {
  type ApiLimits,
  ApiServer,
  brokerRoutes,
  HttpListener,
  type HttpLimits,
} from '../../http/index.ts'
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

/** @throws ShoalError SHOAL_ADDRESS_UNUSABLE when it cannot be listened on. */
export async function openHttp(
  options: Omit<HttpApiOptions, 'url'> & { readonly address: Address },
): Promise<HttpListener> {
  const { context, address, limits } = options
  const { timers, logger } = context
  // The port is known when somebody can ask.
  const host = address.host.includes(':') ? `[${address.host}]` : address.host
  const url = () => `http://${host}:${listening?.address.port ?? address.port}`
  let listening: HttpListener | null = null
  const api = httpApi({ ...options, url })
  listening = await HttpListener.open({ address, api, limits, timers, logger })
  return listening
}
