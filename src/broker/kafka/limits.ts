/**
 * What one Kafka listener takes before it says no, waits or closes. Every limit of the wire has its place here.
 */

export interface ListenerLimits {
  /** Largest request, bytes (`socket.request.max.bytes`); default 104,857,600. A larger one closes its connection. */
  readonly maxRequestBytes: number
  /** Most array elements and tagged fields of one request; default 1,000,000. */
  readonly maxRequestElements: number
  /** Open connections (`max.connections`); default 10,000. One more is closed at once. */
  readonly maxConnections: number
  /** Open connections from one host (`max.connections.per.ip`); default: as many as there may be. */
  readonly maxConnectionsPerHost: number
  /** Produce requests of one connection that run at the same time; default 64. */
  readonly maxPipelinedRequests: number
  /**
   * Bytes of requests, all connections together, that have arrived and are not answered (`queued.max.request.bytes`);
   * default 268,435,456. When it is reached, sockets are not read; one request more is let through at a time.
   */
  readonly maxInFlightBytes: number
  /** A connection without traffic is closed after this (`connections.max.idle.ms`), milliseconds; default 600,000. */
  readonly idleTimeoutMs: number
  /**
   * How long a request may take to arrive, milliseconds; default 30,000. Every 16 KiB that have arrived give it one
   * second more: slow links pass, drips do not.
   */
  readonly frameTimeoutMs: number
  /** How long answers may take to leave when a connection or the listener closes, milliseconds; default 5,000. */
  readonly closeTimeoutMs: number
}

export const DEFAULT_LIMITS: ListenerLimits = {
  maxRequestBytes: 104_857_600,
  maxRequestElements: 1_000_000,
  maxConnections: 10_000,
  maxConnectionsPerHost: Infinity,
  maxPipelinedRequests: 64,
  maxInFlightBytes: 268_435_456,
  idleTimeoutMs: 600_000,
  frameTimeoutMs: 30_000,
  closeTimeoutMs: 5_000,
}
