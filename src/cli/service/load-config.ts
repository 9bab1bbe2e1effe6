/**
 * The configuration of a service from everywhere that it may come from, or one error with everything that is wrong.
 */

import { configProblemsError } from '../config/problems.ts'
import type { Origin } from '../config/resolve.ts'
import { resolveConfig } from '../config/resolve.ts'
import { serviceSchema, type ServiceConfig } from '../config/schema.ts'
import { readConfigSources, sourceNames } from '../config/sources.ts'
import type { Io } from '../io.ts'

/** Flags that are settings too. */
export interface ServiceFlags {
  readonly env?: string
  readonly config?: string
  readonly bootstrapServer?: string
  readonly brokerList?: string
  readonly group?: string
  readonly topic?: string
  readonly concurrency?: string
  readonly metricsPort?: string
  readonly logFormat?: string
  readonly logLevel?: string
}

const settingOfFlag = {
  bootstrapServer: ['--bootstrap-server', 'consumer.brokers'],
  brokerList: ['--broker-list', 'consumer.brokers'],
  group: ['--group', 'consumer.group'],
  topic: ['--topic', 'consumer.topics'],
  concurrency: ['--concurrency', 'consumer.concurrency'],
  metricsPort: ['--metrics-port', 'metrics.port'],
  logFormat: ['--log-format', 'log.format'],
  logLevel: ['--log-level', 'log.level'],
} as const

export interface LoadedConfig {
  readonly config: ServiceConfig
  readonly origins: ReadonlyMap<string, Origin>
}

/** @throws ShoalError SHOAL_CONFIG_INVALID that lists every problem. */
export async function loadServiceConfig(io: Io, flags: ServiceFlags): Promise<LoadedConfig> {
  const given = new Map<string, { flag: string; text: string }>()
  for (const [name, [flag, path]] of Object.entries(settingOfFlag)) {
    const text = flags[name as keyof typeof settingOfFlag]
    if (text !== undefined) given.set(path, { flag, text })
  }
  const sources = await readConfigSources(io, flags, given)
  const { config, origins, problems } = resolveConfig(serviceSchema, sources)
  if (config === null || problems.length > 0)
    throw configProblemsError(problems, sourceNames(sources))
  return { config, origins }
}
