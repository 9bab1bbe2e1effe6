/** Is it there, which one is it, what can it do. The probes say nothing about the data: they are answered without a token. */

import { VERSION } from '../../core/index.ts'
import type { Handlers } from '../../http/index.ts'
import { brokerRoutes, openApiDocument, Problem, problem } from '../../http/index.ts'
import type { HttpContext } from './http-context.ts'

type OpsHandlers = Pick<
  Handlers<typeof brokerRoutes>,
  'healthz' | 'livez' | 'readyz' | 'version' | 'openapi'
>

export function opsHandlers({ context, startedMs, hasFailed, url }: HttpContext): OpsHandlers {
  const { clock, topics } = context
  const health = () => {
    if (hasFailed()) return problem('UNAVAILABLE', 'the disk failed and the broker stops')
    return {
      status: 'pass' as const,
      timestamp: new Date(clock.wallMs()).toISOString(),
      uptime: spanText(clock.monotonicMs() - startedMs),
    }
  }
  let document: Readonly<Record<string, unknown>> | null = null
  return {
    livez: health,
    healthz: health,
    readyz: ({ query }) => {
      const answer = health()
      if (answer instanceof Problem || !query.verbose) return answer
      return { ...answer, checks: { storage: { status: 'pass', message: 'recovered' } } }
    },
    version: () => ({
      version: VERSION,
      node_version: process.version,
      cluster_id: topics.clusterId,
    }),
    openapi: () => {
      // A listener has one address; the document is made when somebody first asks for it.
      document ??= openApiDocument(brokerRoutes, { version: VERSION, url: url() })
      return document
    },
  }
}

/** Such as `3h2m`, `45s`. */
function spanText(spanMs: number): string {
  const seconds = Math.floor(spanMs / 1_000)
  if (seconds < 60) return `${seconds}s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes}m${seconds % 60}s`
  return `${Math.floor(minutes / 60)}h${minutes % 60}m`
}
