/**
 * `?int64=string`: an answer with its 64-bit integers as text, for callers whose numbers end at 2^31 or 2^53.
 *
 * Which fields these are says the schema of the answer; the way to them is worked out once a route.
 */

import type { z } from 'zod'
import { int64 } from './fields.ts'

export type Rewrite = (value: unknown) => unknown

/** Rewrites an answer of this schema; null where it holds no 64-bit integer. */
export function int64Rewrite(schema: z.core.$ZodType): Rewrite | null {
  const { def } = (schema as z.core.$ZodTypes)._zod
  // A copy that has another description has the same definition.
  if (def === int64._zod.def) return asText
  switch (def.type) {
    case 'optional':
    case 'nullable':
    case 'default':
      return int64Rewrite(def.innerType)
    case 'array': {
      const element = int64Rewrite(def.element)
      return element && ((value) => (Array.isArray(value) ? value.map(element) : value))
    }
    case 'record': {
      const each = int64Rewrite(def.valueType)
      return each && mapped(() => each)
    }
    case 'object': {
      const fields = new Map<string, Rewrite>()
      for (const [name, field] of Object.entries(def.shape)) {
        const rewrite = int64Rewrite(field)
        if (rewrite !== null) fields.set(name, rewrite)
      }
      return fields.size === 0 ? null : mapped((name) => fields.get(name))
    }
    default:
      return null
  }
}

function asText(value: unknown): unknown {
  return typeof value === 'number' ? String(value) : value
}

function mapped(rewriteOf: (name: string) => Rewrite | undefined): Rewrite {
  return (value) =>
    typeof value === 'object' && value !== null
      ? Object.fromEntries(
          Object.entries(value).map(([name, each]) => [name, rewriteOf(name)?.(each) ?? each]),
        )
      : value
}
