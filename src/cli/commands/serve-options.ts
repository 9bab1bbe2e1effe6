/** What flags, file and environment say of a broker; every problem in one error. */

import type { BrokerOptions, HttpOptions } from '../../broker/index.ts'
import type { Io } from '../io.ts'
import type { LogFormat } from '../log.ts'
import { configurationError, type ServeFile } from '../settings-file.ts'

const DEFAULT_KAFKA_PORT = 9092
export const DEFAULT_HTTP_PORT = 8080

export interface ServeFlags {
  readonly config?: string
  readonly data?: string
  readonly kafkaHost?: string
  readonly kafkaPort?: string
  /** False with `--no-http`. */
  readonly http?: boolean
  readonly httpHost?: string
  readonly httpPort?: string
  readonly httpAllowedHost?: readonly string[]
  readonly set: readonly string[]
  readonly allowInsecure?: boolean
  readonly logFormat: LogFormat
  readonly json?: boolean
}

/** @throws ShoalError SHOAL_CONFIG_INVALID that lists every problem. */
export function brokerOptions(
  flags: ServeFlags,
  file: ServeFile,
  env: Io['env'],
): BrokerOptions & { settings: Record<string, string> } {
  const problems: string[] = []
  const settings: Record<string, string> = {}
  for (const [name, value] of Object.entries(file.settings ?? {})) settings[name] = String(value)
  for (const pair of flags.set) {
    const at = pair.indexOf('=')
    if (at <= 0) problems.push(`--set ${pair}: expected name=value, such as --set num.partitions=4`)
    else settings[pair.slice(0, at)] = pair.slice(at + 1)
  }
  const port = portOf('--kafka-port', flags.kafkaPort, problems)
  const httpPort = portOf('--http-port', flags.httpPort, problems)
  if (problems.length > 0) throw configurationError(problems)
  const host = flags.kafkaHost ?? file.kafka?.host ?? '127.0.0.1'
  const kafka = { host, port: port ?? file.kafka?.port ?? DEFAULT_KAFKA_PORT }
  const allowInsecure = flags.allowInsecure ?? file.kafka?.allowInsecure ?? false
  const options = { kafka, allowInsecure, settings }
  if (flags.http === false) return options
  return { ...options, http: httpOptions(flags, file, env, httpPort ?? null, kafka.port === 0) }
}

function httpOptions(
  flags: ServeFlags,
  { http: file = {} }: ServeFile,
  env: Io['env'],
  port: number | null,
  takesFreePorts: boolean,
): HttpOptions {
  const token = env['SHOAL_HTTP_TOKEN'] ?? file.token
  return {
    host: flags.httpHost ?? file.host ?? '127.0.0.1',
    // Who wants a free port for one of the two has nobody who knows the other by heart.
    port: port ?? file.port ?? (takesFreePorts ? 0 : DEFAULT_HTTP_PORT),
    allowedHosts: [...(file.allowedHosts ?? []), ...(flags.httpAllowedHost ?? [])],
    ...(token === undefined ? {} : { token }),
    ...(file.limits === undefined ? {} : { limits: file.limits }),
  }
}

/** Undefined where it is not given. */
function portOf(flag: string, text: string | undefined, problems: string[]): number | undefined {
  if (text === undefined) return undefined
  const port = Number(text)
  if (!/^\d+$/.test(text) || port > 65_535)
    problems.push(`${flag} ${text}: expected a whole number from 0 to 65535`)
  return port
}
