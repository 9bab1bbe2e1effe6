/**
 * A partition by its name, and as the key of a map.
 */

export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

export function partitionKey({ topic, partition }: TopicPartition): string {
  return `${partition} ${topic}`
}
