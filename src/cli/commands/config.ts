/**
 * `config view`, `config validate`, `config schema`: what a service would be configured by, and what could be.
 */

import type { Command } from 'commander'
import type { Leaf } from '../config/leaves.ts'
import type { ServiceConfig } from '../config/schema.ts'
import type { Io } from '../io.ts'
import type { LoadedConfig, ServiceFlags } from '../service/load-config.ts'
import { withServiceFlags } from './run.ts'

interface ConfigFlags extends ServiceFlags {
  readonly json?: boolean
}

export function addConfig(program: Command, io: Io): void {
  const config = program
    .command('config')
    .description('what a service is configured by')
    .addHelpText('after', '\nExample:\n  shoal config view')
  withServiceFlags(config.command('view'))
    .description('each setting with its value and where it came from; secrets are masked')
    .option('--json', 'print one JSON document')
    .addHelpText('after', '\nExamples:\n  shoal config view\n  shoal config view --json')
    .action((flags: ConfigFlags) => view(io, flags))
  withServiceFlags(config.command('validate'))
    .description('every problem of the configuration; ends with 78 when there is one')
    .addHelpText('after', '\nExample:\n  shoal config validate --config shoal.yaml')
    .action(async (flags: ConfigFlags) => {
      await load(io, flags)
      io.out('the configuration is valid\n')
    })
  config
    .command('schema')
    .description('the JSON Schema of the sections of shoal.yaml, for editors')
    .addHelpText('after', '\nExample:\n  shoal config schema > shoal.schema.json')
    .action(() => schema(io))
}

async function load(io: Io, flags: ConfigFlags): Promise<LoadedConfig> {
  const { loadServiceConfig } = await import('../service/load-config.ts')
  return loadServiceConfig(io, flags)
}

async function view(io: Io, flags: ConfigFlags): Promise<void> {
  const { leavesOf } = await import('../config/leaves.ts')
  const { serviceSchema } = await import('../config/schema.ts')
  const { config, origins } = await load(io, flags)
  const settings = leavesOf(serviceSchema).map((leaf) => {
    const origin = origins.get(leaf.path)
    return {
      name: leaf.path,
      value: shownValue(leaf, config),
      source: origin === undefined ? 'default' : origin.where,
      variable: leaf.variable,
    }
  })
  if (flags.json === true)
    return io.out(`${JSON.stringify({ schema: 'shoal.config.view/1', settings })}\n`)
  const rows = settings.map(({ name, value, source }) => [
    name,
    value === null ? '-' : typeof value === 'string' ? value : JSON.stringify(value),
    source,
  ])
  const width = (index: number) => Math.max(...rows.map((row) => row[index]?.length ?? 0))
  const widths = [width(0), width(1)]
  for (const [name = '', value = '', source = ''] of rows)
    io.out(`${name.padEnd(widths[0] ?? 0)}  ${value.padEnd(widths[1] ?? 0)}  ${source}\n`)
}

/** What the service uses; null where something else decides. */
function shownValue({ path, kind }: Leaf, config: ServiceConfig): unknown {
  const [section = '', name = ''] = path.split('.')
  const fields = config as unknown as Record<string, Record<string, unknown> | undefined>
  const value = fields[section]?.[name] ?? null
  if (value === null) return null
  if (kind === 'secret') return '***'
  if (kind === 'duration' && typeof value === 'number') return `${value}ms`
  return Array.isArray(value) && kind === 'list' ? value.join(',') : value
}

async function schema(io: Io): Promise<void> {
  const { configJsonSchema } = await import('../config/json-schema.ts')
  io.out(`${JSON.stringify(configJsonSchema(), null, 2)}\n`)
}
