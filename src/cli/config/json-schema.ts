/**
 * The JSON Schema (2020-12) of `shoal.yaml`, for editors and checks. Made from the one schema that the program itself uses.
 */

import { z } from 'zod'
import { brokerSections, serviceSchema } from './schema.ts'

export function configJsonSchema(): Record<string, unknown> {
  const made = z.toJSONSchema(serviceSchema, { io: 'input', unrepresentable: 'any' })
  const brokers = [...brokerSections].map((name) => [name, { description: 'of the broker: serve' }])
  return {
    ...made,
    title: 'shoal.yaml',
    properties: { ...made.properties, ...Object.fromEntries(brokers) },
    // What has no value here may come from the environment.
    required: [],
  }
}
