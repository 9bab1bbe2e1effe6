/** Operations about the server itself: is it there, which one is it, what can it do. */

import { z } from 'zod'
import { timestamp } from './fields.ts'
import { route } from './route.ts'

const health = z
  .strictObject({
    status: z.literal('pass'),
    timestamp: timestamp.optional(),
    uptime: z.string().optional().meta({ description: 'since the start, such as `3h2m`' }),
    checks: z
      .record(z.string(), z.strictObject({ status: z.literal('pass'), message: z.string() }))
      .optional()
      .meta({ description: 'each check, with `?verbose=true`' }),
  })
  .meta({ id: 'Health' })

const verbose = z.strictObject({
  verbose: z.boolean().default(false).meta({ description: 'list the checks' }),
})

const alive = {
  method: 'GET',
  tag: 'Ops',
  description:
    'Passes while the event loop turns and the storage has not failed. Looks at nothing outside of the process.',
  response: health,
  problems: [],
  isOpen: true,
  examples: [{ name: 'alive', response: { status: 'pass' } }],
} as const

export const opsRoutes = {
  livez: route({ ...alive, path: '/livez', summary: 'Whether the process lives (liveness probe)' }),
  healthz: route({ ...alive, path: '/healthz', summary: 'The same as /livez' }),
  readyz: route({
    method: 'GET',
    path: '/readyz',
    tag: 'Ops',
    summary: 'Whether requests are served (readiness probe)',
    description:
      'Passes when the logs are recovered and the coordinator is loaded; 503 while the server closes.',
    query: verbose,
    response: health,
    problems: [],
    isOpen: true,
    examples: [
      {
        name: 'ready',
        query: { verbose: 'true' },
        response: { status: 'pass', checks: { storage: { status: 'pass', message: 'recovered' } } },
      },
    ],
  }),
  version: route({
    method: 'GET',
    path: '/version',
    tag: 'Ops',
    summary: 'Which Shoal this is',
    response: z
      .strictObject({
        version: z.string(),
        node_version: z.string(),
        cluster_id: z
          .string()
          .optional()
          .meta({ description: 'the same for the life of a data folder' }),
      })
      .meta({ id: 'Version' }),
    problems: [],
    examples: [{ name: 'version', response: { version: '0.1.0', node_version: 'v24.21.0' } }],
  }),
  openapi: route({
    method: 'GET',
    path: '/openapi.json',
    tag: 'Ops',
    summary: 'This API as an OpenAPI 3.1 document',
    response: z.record(z.string(), z.unknown()),
    problems: [],
    examples: [],
  }),
}
