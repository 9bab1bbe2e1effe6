/**
 * A broker's HTTP API without sockets, for tests of its handlers: requests go in as data, answers come back parsed.
 *
 * Files and time as in `broker-fixture.test.ts`. Every success is checked against the schema of its route, so no test can pass
 * with an answer that the OpenAPI document does not describe.
 */

import assert from 'node:assert/strict'
import { brokerRoutes } from '../../http/index.ts'
import type { ApiRequest, ApiServer } from '../../http/index.ts'
import { BrokerFixture, type FixtureOptions } from '../broker-fixture.test.ts'
import { httpApi, type HttpApiOptions } from './http-api.ts'

export interface SentRequest {
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON; a string or bytes as they are. */
  readonly body?: unknown
  readonly signal?: AbortSignal
  /** Default 127.0.0.1. */
  readonly peerHost?: string
}

export interface Received {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** The parsed body. */
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers of every shape
  readonly body: any
}

export class HttpFixture {
  readonly broker: BrokerFixture
  readonly api: ApiServer

  private constructor(broker: BrokerFixture, api: ApiServer) {
    this.broker = broker
    this.api = api
  }

  static async open(
    options: FixtureOptions &
      Partial<Pick<HttpApiOptions, 'token' | 'allowedHosts' | 'limits'>> = {},
  ): Promise<HttpFixture> {
    const broker = await BrokerFixture.open(options)
    const { context, failure } = broker.parts
    const { token = null, allowedHosts = [], limits = {} } = options
    const hasFailed = () => failure.happened
    const url = () => 'http://127.0.0.1:8080'
    const api = httpApi({ context, hasFailed, token, allowedHosts, limits, url })
    return new HttpFixture(broker, api)
  }

  get(target: string, sent: SentRequest = {}): Promise<Received> {
    return this.send('GET', target, sent)
  }

  post(target: string, body: unknown, sent: SentRequest = {}): Promise<Received> {
    return this.send('POST', target, { ...sent, body })
  }

  delete(target: string, sent: SentRequest = {}): Promise<Received> {
    return this.send('DELETE', target, sent)
  }

  async send(method: string, target: string, sent: SentRequest = {}): Promise<Received> {
    const answer = await this.api.answer(requestOf(method, target, sent))
    const { status, headers, text } = answer
    const body: unknown = text === '' ? undefined : JSON.parse(text)
    if (status < 300) assertDescribed(method, target.split('?')[0] ?? '', body)
    return { status, headers, body }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.api.close()
    await this.broker[Symbol.asyncDispose]()
  }
}

/** One exchange as the API server sees it. */
export function requestOf(method: string, target: string, sent: SentRequest = {}): ApiRequest {
  const { body, peerHost = '127.0.0.1', signal = new AbortController().signal } = sent
  const bytes =
    body === undefined
      ? new Uint8Array(0)
      : body instanceof Uint8Array
        ? body
        : new TextEncoder().encode(typeof body === 'string' ? body : JSON.stringify(body))
  const headers = new Map(
    Object.entries({
      host: 'localhost:8080',
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...sent.headers,
    }),
  )
  return {
    method,
    target,
    peerHost,
    signal,
    header: (name) => headers.get(name),
    body: async (take) => take(bytes.byteLength) ?? bytes,
  }
}

function assertDescribed(method: string, asked: string, body: unknown): void {
  // One slash at the end says nothing.
  const path = asked.replace(/(?<=.)\/$/, '')
  const route = Object.values(brokerRoutes).find(
    (each) =>
      each.method === method &&
      new RegExp(`^${each.path.replaceAll(/\{\w+\}/g, '[^/]+')}/?$`).test(path),
  )
  assert.ok(route, `${method} ${path} is not in the table`)
  const outcome = route.response.safeParse(body)
  assert.ok(outcome.success, `${method} ${path} answers what its schema does not say`)
}
