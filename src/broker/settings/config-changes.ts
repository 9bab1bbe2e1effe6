/**
 * What AlterConfigs and IncrementalAlterConfigs do to a set of configs, for topics and for the broker alike.
 *
 * Either all changes of a resource are made or none: the first one that is wrong is told. Pure: the outcome is the new set.
 */

import type { KafkaErrorName } from '../../protocol/index.ts'
import { listItems } from './definition.ts'

export type ConfigOperation = 'set' | 'delete' | 'append' | 'subtract'

export interface ConfigChange {
  readonly name: string
  readonly operation: ConfigOperation
  readonly value: string | null
}

/** What the resource knows of its configs. */
export interface ConfigRules {
  isList(name: string): boolean
  /** A sentence, or null when the value may be set. */
  problemWith(name: string, value: string | null): string | null
  /** What applies when the resource has no value of its own: the start of an append or subtract. */
  inherited(name: string): string
}

export type ChangedConfigs =
  | { readonly kind: 'changed'; readonly configs: ReadonlyMap<string, string> }
  | { readonly kind: 'refused'; readonly errorCode: KafkaErrorName; readonly message: string }

/** IncrementalAlterConfigs: every change on top of the present configs. */
export function changeConfigs(
  current: ReadonlyMap<string, string>,
  changes: readonly ConfigChange[],
  rules: ConfigRules,
): ChangedConfigs {
  const duplicate = duplicateName(changes)
  if (duplicate !== undefined)
    return refuse('INVALID_REQUEST', `Error due to duplicate config keys: ${duplicate}`)
  const configs = new Map(current)
  for (const change of changes) {
    const problem = applyChange(configs, change, rules)
    if (problem !== null) return refuse('INVALID_CONFIG', problem)
  }
  return { kind: 'changed', configs }
}

/** AlterConfigs: what is not named goes back to its default. */
export function replaceConfigs(
  entries: readonly { readonly name: string; readonly value: string | null }[],
  rules: ConfigRules,
): ChangedConfigs {
  const changes = entries.map((entry) => ({ ...entry, operation: 'set' as const }))
  return changeConfigs(new Map(), changes, rules)
}

function applyChange(
  configs: Map<string, string>,
  { name, operation, value }: ConfigChange,
  rules: ConfigRules,
): string | null {
  if (operation === 'delete') {
    // The default is always a good value: only the name can be wrong.
    const problem = configs.has(name) ? null : rules.problemWith(name, rules.inherited(name))
    configs.delete(name)
    return problem
  }
  const next = operation === 'set' ? value : combined(configs, name, operation, value, rules)
  if (operation !== 'set' && !rules.isList(name))
    return `Can't ${operation.toUpperCase()} to key ${name} because its type is not LIST.`
  const problem = rules.problemWith(name, next)
  if (problem === null && next !== null) configs.set(name, next)
  return problem
}

function combined(
  configs: ReadonlyMap<string, string>,
  name: string,
  operation: 'append' | 'subtract',
  value: string | null,
  rules: ConfigRules,
): string | null {
  if (value === null) return null
  const present = listItems(configs.get(name) ?? rules.inherited(name))
  const named = listItems(value)
  const next =
    operation === 'append'
      ? [...present, ...named.filter((item) => !present.includes(item))]
      : present.filter((item) => !named.includes(item))
  return next.join(',')
}

function duplicateName(changes: readonly ConfigChange[]): string | undefined {
  const seen = new Set<string>()
  for (const { name } of changes) {
    if (seen.has(name)) return name
    seen.add(name)
  }
  return undefined
}

function refuse(errorCode: KafkaErrorName, message: string): ChangedConfigs {
  return { kind: 'refused', errorCode, message }
}
