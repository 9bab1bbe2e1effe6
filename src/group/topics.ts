/** The topics of the broker, as far as groups need them: a port, which the broker's topic table satisfies as it is. */

export interface GroupTopic {
  /** Never used again after the topic is gone. */
  readonly topicId: string
  readonly name: string
  readonly partitionCount: number
}

export interface GroupTopics {
  byName(name: string): GroupTopic | undefined
  byId(topicId: string): GroupTopic | undefined
  topics(): Iterable<GroupTopic>
  /** Another number after every change, so that groups know when to look again. */
  readonly version: number
}
