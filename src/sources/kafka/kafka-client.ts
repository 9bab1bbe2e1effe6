/**
 * A client of a Kafka cluster: who is there, and how to ask them something.
 *
 *   await using client = await KafkaClient.open({ brokers: 'localhost:9092' })
 *   const { response } = await client.request(listGroups, { statesFilter: [] }, { to: 'any' })
 *
 * A request goes to a broker by what it is about: any broker, a node, the controller, a group's coordinator, a
 * partition's leader. It is sent once and answered or rejected in time; error codes inside answers are the caller's.
 * Connections are kept by node and channel, so that a join or a fetch that waits at the broker holds up nothing else.
 * Membership is in `membership/`, reading in `fetcher.ts`, writing in `kafka-producer.ts`.
 */

import { ShoalError, randomBelow } from '../../core/index.ts'
import type { Address } from '../../core/index.ts'
import { ZERO_UUID, findCoordinator, isRetriable, metadata } from '../../protocol/index.ts'
import type { Api, FieldMap, KafkaErrorCode } from '../../protocol/index.ts'
import { retry } from '../backoff.ts'
import { BrokerLink, refusal } from './broker-link.ts'
import type { Answer, LinkEvent, RequestBody } from './broker-link.ts'
import { leaderOf, mergeMetadata, unknownCluster } from './cluster-view.ts'
import type { ClusterView } from './cluster-view.ts'
import { clusterSettings, withSystemPorts } from './options.ts'
import type { ClusterSettings, KafkaClusterOptions, KafkaPorts, Ports } from './options.ts'

/** Whom a request is for. */
export type Target =
  | 'any'
  | 'controller'
  | { readonly node: number }
  /** The coordinator of a group. */
  | { readonly group: string }
  /** The coordinator of a transactional id. */
  | { readonly transaction: string }
  /** The leader of a partition. */
  | { readonly topic: string; readonly partition: number }

/** Requests of different channels do not wait for each other. */
export type Channel = 'main' | 'group' | 'fetch' | 'fetch-beside' | 'fetch-behind' | 'produce'

export interface RequestOptions {
  readonly to: Target
  /** Default `main`. */
  readonly channel?: Channel
  /** Default: `requestTimeoutMs` of the client. */
  readonly timeoutMs?: number
}

export interface KafkaClientOptions extends KafkaClusterOptions {
  readonly onConnection?: (event: LinkEvent) => void
}

const GROUP_KEY_TYPE = 0
const TRANSACTION_KEY_TYPE = 1

/** By name, or (Metadata 12 and later) by id. */
interface AskedTopic {
  readonly topicId: string
  readonly name: string | null
}

export class KafkaClient implements AsyncDisposable {
  readonly ports: Ports
  readonly settings: ClusterSettings
  readonly #onConnection: (event: LinkEvent) => void
  readonly #links = new Map<string, BrokerLink>()
  readonly #coordinators = new Map<string, number>()
  readonly #transactionCoordinators = new Map<string, number>()
  /** Topics that refreshes ask about; those that were ever asked for. */
  readonly #interest = new Set<string>()
  readonly #closing = new AbortController()
  #cluster: ClusterView = unknownCluster
  #refreshedMs = Number.NEGATIVE_INFINITY
  #refreshing: {
    readonly topics: ReadonlySet<string>
    readonly done: Promise<ClusterView>
  } | null = null

  private constructor(options: KafkaClientOptions, ports: KafkaPorts) {
    this.settings = clusterSettings(options)
    this.ports = withSystemPorts(ports, options)
    this.#onConnection = options.onConnection ?? (() => {})
  }

  /**
   * Connects to the first address that answers and learns the cluster's brokers.
   * @throws ShoalError SHOAL_BROKER_UNREACHABLE when none answers within `bootstrapTimeoutMs`; SHOAL_INVALID_ARGUMENT
   */
  static async open(options: KafkaClientOptions, ports: KafkaPorts = {}): Promise<KafkaClient> {
    const client = new KafkaClient(options, ports)
    try {
      await client.retrying(() => client.refresh([]), client.settings.bootstrapTimeoutMs)
      return client
    } catch (error) {
      await client.close()
      throw error
    }
  }

  /** What the last Metadata answers said. */
  get cluster(): ClusterView {
    return this.#cluster
  }

  /** How long ago the cluster was last looked at, milliseconds. */
  get clusterAgeMs(): number {
    return this.ports.clock.monotonicMs() - this.#refreshedMs
  }

  /** Sends one request and decodes its answer. */
  async request<Request extends FieldMap, Response extends FieldMap>(
    api: Api<Request, Response>,
    body: RequestBody<Request>,
    { to, channel = 'main', timeoutMs = this.settings.requestTimeoutMs }: RequestOptions,
  ): Promise<Answer<Response>> {
    this.#throwIfClosed()
    if (to === 'any') return this.#requestAny(api, body, timeoutMs)
    const node = this.#knownNode(to) ?? (await this.#findNode(to, timeoutMs))
    return this.#link(node, channel).request(api, body, timeoutMs)
  }

  /** Whether the broker that a request would go to speaks this API in a version that we speak too. */
  async speaks(api: Pick<Api, 'key' | 'name' | 'versions'>, to: Target): Promise<boolean> {
    this.#throwIfClosed()
    const timeoutMs = this.settings.requestTimeoutMs
    const node =
      to === 'any' ? null : (this.#knownNode(to) ?? (await this.#findNode(to, timeoutMs)))
    const link = node === null ? this.#candidates()[0] : this.#link(node, 'main')
    return link !== undefined && (await link.versionOf(api, timeoutMs)) !== null
  }

  /** Learns the topics that have these ids, where they exist. */
  async refreshIds(topicIds: readonly string[]): Promise<ClusterView> {
    return this.#refresh(
      topicIds.map((topicId) => ({ topicId, name: null })),
      false,
    )
  }

  /** Asks the cluster about these topics (and those asked for before), or about all of them. */
  refresh(topics: readonly string[] | 'all' = []): Promise<ClusterView> {
    if (topics === 'all') return this.#refresh('all', false)
    for (const topic of topics) this.#interest.add(topic)
    const running = this.#refreshing
    if (running !== null && topics.every((topic) => running.topics.has(topic))) return running.done
    const asked = new Set(this.#interest)
    const done = this.#refresh(byName([...asked]), false).finally(() => {
      if (this.#refreshing?.done === done) this.#refreshing = null
    })
    this.#refreshing = { topics: asked, done }
    return done
  }

  /** Asks about a topic in a way that makes the broker create it, where its `auto.create.topics.enable` allows that. */
  async refreshOrCreate(topic: string): Promise<ClusterView> {
    this.#interest.add(topic)
    return this.#refresh(byName([topic]), true)
  }

  /** No longer asks about a topic. */
  forgetTopic(topic: string): void {
    this.#interest.delete(topic)
  }

  /** The node that coordinates a group, asked for when it is not known. */
  async coordinatorOf(group: string, timeoutMs = this.settings.requestTimeoutMs): Promise<number> {
    return this.#coordinators.get(group) ?? this.#findCoordinator(group, timeoutMs)
  }

  /** The next request for the group asks for its coordinator first. */
  forgetCoordinator(group: string): void {
    this.#coordinators.delete(group)
  }

  /** The next request for the transactional id asks for its coordinator first. */
  forgetTransactionCoordinator(transactionalId: string): void {
    this.#transactionCoordinators.delete(transactionalId)
  }

  /** Ends a channel's connection to a node, and with it what waits there. */
  resetChannel(node: number, channel: Channel): void {
    this.#links.get(linkKey(node, channel))?.reset()
  }

  /** Runs `attempt` again while it fails with an error that may pass: for calls that change nothing when repeated. */
  retrying<Value>(
    attempt: (remainingMs: number) => Promise<Value>,
    timeoutMs: number = this.settings.requestTimeoutMs,
  ): Promise<Value> {
    const { reconnectBackoffMs, reconnectBackoffMaxMs } = this.settings
    return retry(
      this.ports,
      {
        timeoutMs,
        limits: { firstMs: Math.max(reconnectBackoffMs, 100), longestMs: reconnectBackoffMaxMs },
        retriable: isPassing,
        signal: this.#closing.signal,
      },
      attempt,
    )
  }

  /** Ends every connection; what waits is rejected. Idempotent. */
  async close(): Promise<void> {
    this.#closing.abort(new ShoalError('SHOAL_CLOSED', 'the client was closed'))
    for (const link of this.#links.values()) link.close()
    this.#links.clear()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #requestAny<Request extends FieldMap, Response extends FieldMap>(
    api: Api<Request, Response>,
    body: RequestBody<Request>,
    timeoutMs: number,
  ): Promise<Answer<Response>> {
    const deadlineMs = this.ports.clock.monotonicMs() + timeoutMs
    const links = this.#candidates()
    for (let index = 0; ; index++) {
      const link = links[index]
      const remainingMs = deadlineMs - this.ports.clock.monotonicMs()
      if (link === undefined || remainingMs <= 0)
        throw new ShoalError('SHOAL_BROKER_UNREACHABLE', 'no broker is known that could be asked')
      try {
        return await link.request(api, body, remainingMs)
      } catch (error) {
        if (index === links.length - 1 || !isTransport(error)) throw error
      }
    }
  }

  /** Open links first, then those that did not fail lately; known brokers and the given addresses alike. */
  #candidates(): readonly BrokerLink[] {
    const known = [...this.#cluster.brokers.keys()].map((node) => this.#link(node, 'main'))
    const given = this.settings.brokers
      .filter(
        (address) =>
          !known.some((link) => sameAddress(link.address, address)) || known.length === 0,
      )
      .map((address) => this.#bootstrapLink(address))
    const links = [...known, ...given]
    const first = randomBelow(this.ports.random, Math.max(1, links.length))
    const nowMs = this.ports.clock.monotonicMs()
    const rank = (link: BrokerLink) => (link.isOpen ? 0 : Math.max(1, link.notBeforeMs - nowMs + 1))
    return [...links.slice(first), ...links.slice(0, first)].sort(
      (left, right) => rank(left) - rank(right),
    )
  }

  #knownNode(to: Exclude<Target, 'any'>): number | null {
    if (to === 'controller') return this.#cluster.controllerId
    if ('node' in to) return to.node
    if ('group' in to) return this.#coordinators.get(to.group) ?? null
    if ('transaction' in to) return this.#transactionCoordinators.get(to.transaction) ?? null
    return leaderOf(this.#cluster, to.topic, to.partition)
  }

  async #findNode(to: Exclude<Target, 'any'>, timeoutMs: number): Promise<number> {
    if (to !== 'controller' && 'group' in to) return this.#findCoordinator(to.group, timeoutMs)
    if (to !== 'controller' && 'transaction' in to)
      return this.#findCoordinator(to.transaction, timeoutMs, TRANSACTION_KEY_TYPE)
    if (to !== 'controller' && 'topic' in to) {
      const { topics } = await this.refresh([to.topic])
      if (topics.get(to.topic)?.partitions[to.partition] === undefined)
        throw new ShoalError(
          'SHOAL_UNKNOWN_TOPIC',
          `the cluster has no partition ${to.partition} of topic ${to.topic}`,
          { details: { topic: to.topic, partition: to.partition } },
        )
    } else await this.refresh()
    const node = this.#knownNode(to)
    if (node !== null) return node
    const what =
      to === 'controller' || !('topic' in to)
        ? 'the cluster has no controller'
        : `partition ${to.partition} of topic ${to.topic} has no leader`
    throw new ShoalError('SHOAL_BROKER_UNREACHABLE', `${what} at the moment`)
  }

  #findCoordinator(
    key: string,
    timeoutMs: number,
    keyType: number = GROUP_KEY_TYPE,
  ): Promise<number> {
    return this.retrying(async (remainingMs) => {
      const { response, version } = await this.#requestAny(
        findCoordinator,
        { key, keyType, coordinatorKeys: [key] },
        remainingMs,
      )
      const found = version >= 4 ? response.coordinators[0] : response
      if (found === undefined || found.errorCode !== 'NONE')
        throw refusal(findCoordinator.name, found?.errorCode ?? 'COORDINATOR_NOT_AVAILABLE', {
          key,
        })
      this.#learnBroker(found.nodeId, found)
      const known = keyType === GROUP_KEY_TYPE ? this.#coordinators : this.#transactionCoordinators
      known.set(key, found.nodeId)
      return found.nodeId
    }, timeoutMs)
  }

  #learnBroker(id: number, { host, port }: Address): void {
    const known = this.#cluster.brokers.get(id)
    if (known !== undefined && sameAddress(known, { host, port })) return
    const brokers = new Map(this.#cluster.brokers).set(id, { id, host, port, rack: null })
    this.#cluster = { ...this.#cluster, brokers }
  }

  async #refresh(
    topics: readonly AskedTopic[] | 'all',
    allowAutoTopicCreation: boolean,
  ): Promise<ClusterView> {
    const { response } = await this.#requestAny(
      metadata,
      (version) => ({
        // All topics are asked for by an empty list in version 0 and by null later.
        topics: topics === 'all' ? (version === 0 ? [] : null) : topics,
        allowAutoTopicCreation,
        includeClusterAuthorizedOperations: false,
        includeTopicAuthorizedOperations: false,
      }),
      this.settings.requestTimeoutMs,
    )
    if (response.errorCode !== 'NONE') throw refusal(metadata.name, response.errorCode)
    this.#cluster = mergeMetadata(this.#cluster, response, topics === 'all')
    this.#refreshedMs = this.ports.clock.monotonicMs()
    return this.#cluster
  }

  #link(node: number, channel: Channel): BrokerLink {
    const address = this.#cluster.brokers.get(node)
    if (address === undefined)
      throw new ShoalError('SHOAL_BROKER_UNREACHABLE', `the cluster has no broker ${node}`, {
        details: { node },
      })
    return this.#linkTo(linkKey(node, channel), address)
  }

  #bootstrapLink(address: Address): BrokerLink {
    return this.#linkTo(`bootstrap ${address.host}:${address.port}`, address)
  }

  #linkTo(key: string, address: Address): BrokerLink {
    const known = this.#links.get(key)
    if (known !== undefined && sameAddress(known.address, address)) return known
    known?.close()
    const link = new BrokerLink(address, this.settings, this.ports, this.#onConnection)
    this.#links.set(key, link)
    return link
  }

  #throwIfClosed(): void {
    if (this.#closing.signal.aborted) throw new ShoalError('SHOAL_CLOSED', 'the client was closed')
  }
}

/** Whether the broker has no version of the request that we speak, or the feature behind it is off. */
export function speaksNoVersion(error: unknown): boolean {
  return error instanceof ShoalError && error.details['error'] === 'UNSUPPORTED_VERSION'
}

/** Whether the same call may succeed later: the broker was not reached, or said so. */
export function isPassing(error: unknown): boolean {
  if (!(error instanceof ShoalError)) return false
  return error.retriable || isRetriable(String(error.details['error']) as KafkaErrorCode)
}

function isTransport(error: unknown): boolean {
  return (
    error instanceof ShoalError &&
    (error.code === 'SHOAL_BROKER_UNREACHABLE' || error.code === 'SHOAL_REQUEST_TIMEOUT')
  )
}

function byName(topics: readonly string[]): readonly AskedTopic[] {
  return topics.map((name) => ({ topicId: ZERO_UUID, name }))
}

function linkKey(node: number, channel: Channel): string {
  return `${node} ${channel}`
}

function sameAddress(left: Address, right: Address): boolean {
  return left.host === right.host && left.port === right.port
}
