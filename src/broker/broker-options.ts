/**
 * How a broker is asked for: one flat object, checked once, all problems told at once.
 *
 * Without a folder the broker keeps its data in memory and forgets it at the end. It listens on loopback unless told
 * otherwise; listening elsewhere without authentication is refused.
 */

import type { Address, Clock, Logger, Network, Random, Timers } from '../core/index.ts'
import { messageOf, ShoalError } from '../core/index.ts'
import type { ApiLimits, HttpLimits } from '../http/index.ts'
import type { FileStore } from '../log/index.ts'
import type { BrokerSettingsInput } from './settings/broker-settings.ts'
import { parseBrokerSettings } from './settings/broker-settings.ts'

export interface HttpOptions {
  /** Default 127.0.0.1. Elsewhere a token is needed, or `allowInsecure`. */
  readonly host?: string
  /** Default 8080; 0 takes a free one. */
  readonly port?: number
  /** Asked of every request but the probes, as a bearer token; default: nobody has to have one. */
  readonly token?: string
  /** Names beside loopback and addresses by which clients may call the API; `*` takes any. Default none. */
  readonly allowedHosts?: readonly string[]
  readonly limits?: Partial<ApiLimits & HttpLimits>
}

export interface BrokerOptions {
  /** The data folder, made when it is absent; null (the default) keeps everything in memory. */
  readonly data?: string | null
  /** A file store instead of a folder: for simulation. */
  readonly files?: FileStore
  /** Where Kafka clients connect; default 127.0.0.1:9092, port 0 takes a free one. */
  readonly kafka?: { readonly host?: string; readonly port?: number }
  /** The HTTP API; left out there is none. */
  readonly http?: HttpOptions
  /** The address that clients are told; default: the one that each of them connected to. */
  readonly advertised?: Address
  /** Kafka's broker settings by their own names, such as `num.partitions`. */
  readonly settings?: BrokerSettingsInput
  /** Allows to listen beyond loopback although nobody has to log in; default false. */
  readonly allowInsecure?: boolean
  readonly clock?: Clock
  readonly timers?: Timers
  readonly random?: Random
  readonly network?: Network
  /** Default: says nothing. */
  readonly logger?: Logger
}

const DEFAULT_HOST = '127.0.0.1'
const DEFAULT_PORT = 9_092
const DEFAULT_HTTP_PORT = 8_080

export interface CheckedOptions extends ReturnType<typeof parseBrokerSettings> {
  readonly address: Address
  /** Null without an HTTP API. */
  readonly http: CheckedHttp | null
}

export interface CheckedHttp {
  readonly address: Address
  readonly token: string | null
  readonly allowedHosts: readonly string[]
  readonly limits: Partial<ApiLimits & HttpLimits>
}

/** @throws ShoalError SHOAL_CONFIG_INVALID that lists every problem. */
export function checkOptions(options: BrokerOptions): CheckedOptions {
  const address = {
    host: options.kafka?.host ?? DEFAULT_HOST,
    port: options.kafka?.port ?? DEFAULT_PORT,
  }
  const problems: string[] = []
  if (!isPort(address.port, 0))
    problems.push(`kafka.port: ${address.port} is not a whole number from 0 to 65535`)
  if (options.advertised !== undefined && !isPort(options.advertised.port, 1))
    problems.push(`advertised.port: ${options.advertised.port} is not from 1 to 65535`)
  if (!isLoopback(address.host) && options.allowInsecure !== true)
    problems.push(
      `kafka.host: ${address.host} can be reached from other machines and nobody has to log in; ` +
        'listen on 127.0.0.1, or allow it with allowInsecure where the network is trusted',
    )
  if (options.files !== undefined && options.data !== undefined && options.data !== null)
    problems.push('data and files: give one of the two')
  const http = checkHttp(options, problems)
  const settings = parsed(options.settings, problems)
  if (settings === null || problems.length > 0)
    throw new ShoalError('SHOAL_CONFIG_INVALID', problems.join('; '))
  return { address, http, ...settings }
}

function checkHttp({ http, allowInsecure }: BrokerOptions, problems: string[]): CheckedHttp | null {
  if (http === undefined) return null
  const { host = DEFAULT_HOST, port = DEFAULT_HTTP_PORT, token = null, allowedHosts = [] } = http
  if (!isPort(port, 0)) problems.push(`http.port: ${port} is not a whole number from 0 to 65535`)
  if (token !== null && !/^[\x21-\x7e]{8,}$/.test(token))
    problems.push('http.token: expected at least 8 printable characters without spaces')
  if (!isLoopback(host) && token === null && allowInsecure !== true)
    problems.push(
      `http.host: ${host} can be reached from other machines and nobody needs a token; ` +
        'listen on 127.0.0.1, set a token, or allow it with allowInsecure where the network is trusted',
    )
  return { address: { host, port }, token, allowedHosts, limits: http.limits ?? {} }
}

/** Whether only this machine can reach the host. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[|\]$/g, '')
  return (
    name === 'localhost' ||
    name === '::1' ||
    /^(?:::ffff:)?127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(name)
  )
}

function parsed(input: BrokerSettingsInput | undefined, problems: string[]) {
  try {
    return parseBrokerSettings(input)
  } catch (error) {
    problems.push(messageOf(error))
    return null
  }
}

function isPort(port: number, least: number): boolean {
  return Number.isInteger(port) && port >= least && port <= 65_535
}
