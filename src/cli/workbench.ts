/**
 * The HTTP API of Shoal's broker, for what Kafka's protocol has no word for: timelines, pauses, resets of live groups.
 *
 * `--http` before SHOAL_HTTP before the host of the Kafka address with port 8080. An address that was only guessed is
 * checked: it has to be of the same cluster, so that a command never acts on another broker that happens to listen there. Where
 * nobody answers the Kafka side is asked whose broker it is, to say what is wrong.
 */

import type { Command } from 'commander'
import { ShoalError } from '../core/index.ts'
import type { ApiClient, BrokerRoutes, ReceivedProblem } from '../http/index.ts'
import { backendOf, type Backend, type BackendFlags, withBackend } from './backend.ts'
import type { Io } from './io.ts'
import { readEnvironment } from './settings-file.ts'

const DEFAULT_HTTP_PORT = 8080

export type Workbench = ApiClient<BrokerRoutes>

export interface WorkbenchFlags extends BackendFlags {
  readonly http?: string
}

export function withWorkbench(command: Command): Command {
  return withBackend(command).option(
    '--http <url>',
    'where the HTTP API is; default SHOAL_HTTP, or port 8080 beside the Kafka address',
  )
}

/**
 * The API of the cluster that the flags mean.
 * @param purpose what Kafka does not have, such as `a rebalance timeline`
 * @throws ShoalError SHOAL_REQUEST_FAILED when the cluster is Apache Kafka, SHOAL_BROKER_UNREACHABLE
 */
export async function openWorkbench(
  io: Io,
  flags: WorkbenchFlags,
  purpose: string,
): Promise<Workbench> {
  const environment = await readEnvironment(io)
  const { apiClient, brokerRoutes } = await import('../http/index.ts')
  const token = environment['SHOAL_HTTP_TOKEN']
  const backend = await backendOf(io, flags)
  const named = flags.http ?? environment['SHOAL_HTTP']
  const baseUrl = named === undefined ? besideKafka(backend) : urlOf(named)
  const fetchInTime: typeof fetch = (url, init) =>
    fetch(url, { signal: AbortSignal.timeout(backend.bootstrapTimeoutMs), ...init })
  const api = apiClient(brokerRoutes, {
    baseUrl,
    fetch: fetchInTime,
    ...(token === undefined ? {} : { token }),
  })
  if (named === undefined) await assertSameCluster(api, backend, { baseUrl, purpose })
  return api
}

/** A refusal of the API as the error that ends a command. */
export function refusedByApi({ code, detail, status }: ReceivedProblem): ShoalError {
  if (code === 'UNKNOWN_GROUP') return new ShoalError('SHOAL_UNKNOWN_GROUP', detail)
  if (code === 'UNKNOWN_TOPIC' || code === 'UNKNOWN_PARTITION')
    return new ShoalError('SHOAL_UNKNOWN_TOPIC', detail)
  if (code === 'INVALID_REQUEST') return new ShoalError('SHOAL_INVALID_ARGUMENT', detail)
  if (code === 'UNAUTHORIZED')
    return new ShoalError('SHOAL_REQUEST_FAILED', `${detail}; set SHOAL_HTTP_TOKEN`)
  return new ShoalError('SHOAL_REQUEST_FAILED', detail, { details: { error: code, status } })
}

async function assertSameCluster(
  api: Workbench,
  backend: Backend,
  { baseUrl, purpose }: { readonly baseUrl: string; readonly purpose: string },
): Promise<void> {
  const { identifyCluster } = await import('../sources/kafka/admin/index.ts')
  const { clusterId, product } = await identifyCluster(backend)
  if (product === 'kafka')
    throw new ShoalError(
      'SHOAL_REQUEST_FAILED',
      `${backend.brokers} is Apache Kafka, which has no ${purpose}; only Shoal's own broker has`,
    )
  const hint = 'say where it is with --http or SHOAL_HTTP (shoal serve prints it)'
  const version = await api.version().catch((cause: unknown) => {
    throw new ShoalError(
      'SHOAL_BROKER_UNREACHABLE',
      `the HTTP API of ${backend.brokers} does not answer at ${baseUrl}; ${hint}`,
      { cause },
    )
  })
  if (!version.ok) throw refusedByApi(version.problem)
  if (version.body.cluster_id !== clusterId)
    throw new ShoalError(
      'SHOAL_BROKER_UNREACHABLE',
      `${baseUrl} is the HTTP API of another cluster than ${backend.brokers}; ${hint}`,
    )
}

function besideKafka({ brokers }: Backend): string {
  const [first = ''] = brokers.split(',')
  const host = first.trim().replace(/:\d+$/, '')
  return `http://${host === '' ? 'localhost' : host}:${DEFAULT_HTTP_PORT}`
}

function urlOf(text: string): string {
  const url = text.includes('://') ? text : `http://${text}`
  if (URL.canParse(url) && /^https?:\/\//.test(url)) return url
  throw new ShoalError(
    'SHOAL_INVALID_ARGUMENT',
    `--http ${text}: expected an address such as http://localhost:8080`,
  )
}
