/** The broker's HTTP API on a port. Its routes and handlers are loaded at the first request. */

import type { Address } from '../../core/index.ts'
import { HttpListener, LazyApi } from '../../http/listener/index.ts'
import type { HttpApiOptions } from './http-api.ts'

/** @throws ShoalError SHOAL_ADDRESS_UNUSABLE when it cannot be listened on. */
export async function openHttp(
  options: Omit<HttpApiOptions, 'url'> & { readonly address: Address },
): Promise<HttpListener> {
  const { context, address, limits } = options
  const { timers, logger } = context
  const host = address.host.includes(':') ? `[${address.host}]` : address.host
  // The port is known when somebody can ask.
  const url = () => `http://${host}:${listening?.address.port ?? address.port}`
  let listening: HttpListener | null = null
  const api = new LazyApi(async () => {
    const { httpApi } = await import('./http-api.ts')
    return httpApi({ ...options, url })
  })
  listening = await HttpListener.open({ address, api, limits, timers, logger })
  return listening
}
