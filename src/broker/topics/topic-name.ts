/**
 * Which names a topic may have, by Kafka's rules.
 *
 * Names that differ only in `.` and `_` exclude each other, because Kafka's metrics cannot tell them apart.
 */

const LONGEST_NAME = 249

/** Kafka keeps its own state in topics of these names; here it is not in topics, and nobody may have them. */
const internalNames: ReadonlySet<string> = new Set([
  '__consumer_offsets',
  '__transaction_state',
  '__share_group_state',
  '__cluster_metadata',
])

export function isInternalTopic(name: string): boolean {
  return internalNames.has(name)
}

/** What is wrong with a name, as a sentence; null when it is legal. */
export function topicNameProblem(name: string): string | null {
  if (name === '') return 'Topic name is invalid: the empty string is not allowed'
  if (name === '.' || name === '..') return `Topic name is invalid: '${name}' is not allowed`
  if (name.length > LONGEST_NAME)
    return `Topic name is invalid: the length of '${name.slice(0, 40)}...' is longer than the max allowed length ${LONGEST_NAME}`
  if (!/^[a-zA-Z0-9._-]+$/.test(name))
    return `Topic name is invalid: '${name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'`
  if (isInternalTopic(name)) return `Topic name is invalid: '${name}' is reserved`
  return null
}

/** The form in which names that exclude each other are equal. */
export function collisionKey(name: string): string {
  return name.replaceAll('.', '_')
}
