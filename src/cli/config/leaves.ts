/**
 * The settings of a schema, one by one, with the names that follow from where they stand. Pure.
 *
 *   consumer.sessionTimeout ─▶ SHOAL_CONSUMER_SESSION_TIMEOUT, and for a secret the twin SHOAL_…_FILE
 */

import { z } from 'zod'
import type { Kind } from './fields.ts'
import { kindOf } from './fields.ts'

export interface Leaf {
  /** As in the file: `consumer.sessionTimeout`. */
  readonly path: string
  /** Its name in the environment; null for what only a file can say. */
  readonly variable: string | null
  readonly kind: Kind
  readonly description: string
  /** As it would be written; null without one. */
  readonly usual: string | null
  /** Without it the configuration is not complete. */
  readonly isRequired: boolean
  /** What may be said, where that is a choice. */
  readonly words: readonly string[]
}

/** In the order of the schema: sections, and in each its settings. */
export function leavesOf(schema: z.ZodObject): readonly Leaf[] {
  return Object.entries(schema.shape).flatMap(([section, type]) =>
    Object.entries(fieldsOf(type)).map(([name, field]) => leaf(`${section}.${name}`, field)),
  )
}

/** `consumer.sessionTimeout` → `SHOAL_CONSUMER_SESSION_TIMEOUT`. */
export function variableOf(path: string): string {
  const words = path.replace(/[A-Z]/g, (letter) => `_${letter}`).replaceAll('.', '_')
  return `SHOAL_${words.toUpperCase()}`
}

function leaf(path: string, field: z.core.$ZodType): Leaf {
  const kind = kindOf(field)
  const { isOptional, usual } = presence(field)
  return {
    path,
    variable: kind === 'structure' ? null : variableOf(path),
    kind,
    description: z.globalRegistry.get(field)?.description ?? '',
    usual,
    isRequired: !isOptional && usual === null,
    words: wordsOf(field),
  }
}

function fieldsOf(type: z.core.$ZodType): Readonly<Record<string, z.core.$ZodType>> {
  const { def } = (type as z.core.$ZodTypes)._zod
  if (def.type === 'object') return def.shape
  return 'innerType' in def ? fieldsOf(def.innerType) : {}
}

function presence(field: z.core.$ZodType): {
  readonly isOptional: boolean
  readonly usual: string | null
} {
  const { def } = (field as z.core.$ZodTypes)._zod
  switch (def.type) {
    case 'optional':
      return { isOptional: true, usual: null }
    case 'default':
    case 'prefault':
      return { isOptional: true, usual: textOf(def.defaultValue) }
    default:
      return { isOptional: false, usual: null }
  }
}

function wordsOf(field: z.core.$ZodType): readonly string[] {
  const { def } = (field as z.core.$ZodTypes)._zod
  if (def.type === 'enum') return Object.keys(def.entries)
  return 'innerType' in def ? wordsOf(def.innerType) : []
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
