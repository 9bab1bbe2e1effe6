/**
 * Subscriptions by regular expression, in RE2's syntax as in Kafka: matching takes time linear in the name, whatever the
 * expression, so no member can stall the coordinator with one. An expression has to match a topic's whole name.
 */

import { RE2JS, RE2JSException } from 're2js'

/** Longest expression that is read, in UTF-16 units. */
export const LONGEST_PATTERN = 1_000

export type TopicPattern = (topic: string) => boolean

/** The pattern, or in a sentence what is wrong with it. */
export function topicPattern(regex: string): TopicPattern | { readonly problem: string } {
  if (regex.length > LONGEST_PATTERN)
    return { problem: `the expression is longer than ${LONGEST_PATTERN} characters` }
  try {
    const compiled = RE2JS.compile(regex)
    return (topic) => compiled.matches(topic)
  } catch (error) {
    if (error instanceof RE2JSException) return { problem: error.message }
    throw error
  }
}
