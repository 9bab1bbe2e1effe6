/**
 * An API that is put together at its first request: a broker that nobody asks over HTTP holds no schemas in memory, and is
 * ready sooner. Until then only its port is there.
 */

import type { Answer, ApiRequest, ServedApi } from '../exchange.ts'

export class LazyApi implements ServedApi {
  readonly #load: () => Promise<ServedApi>
  #api: Promise<ServedApi> | null = null
  #loaded: ServedApi | null = null
  #isClosing = false

  /** @param load called once; when it fails the requests that came meanwhile fail, and the next one tries again */
  constructor(load: () => Promise<ServedApi>) {
    this.#load = load
  }

  get isClosing(): boolean {
    return this.#isClosing
  }

  answer(request: ApiRequest): Promise<Answer> {
    return this.#loaded?.answer(request) ?? this.#first(request)
  }

  async #first(request: ApiRequest): Promise<Answer> {
    this.#api ??= this.#load().catch((error: unknown) => {
      this.#api = null
      throw error
    })
    const api = await this.#api
    // Whoever closed while it loaded found nothing to close.
    if (this.#isClosing) await api.close()
    this.#loaded = api
    return api.answer(request)
  }

  async close(): Promise<void> {
    this.#isClosing = true
    const api = await this.#api
    await api?.close()
  }
}
