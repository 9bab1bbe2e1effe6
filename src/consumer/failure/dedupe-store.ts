/**
 * The port of a dedupe store: who handles a key, and what was handled.
 */

/** What a dedupe store does; every call is about one key, and may come from any process. */
export interface DedupeStore {
  /**
   * `new`: the key is this owner's for `leaseMs`, also when it already was. `busy`: somebody else's. `done`: remembered.
   */
  claim(key: string, owner: string, leaseMs: number): Promise<'new' | 'busy' | 'done'>
  /** Remembers the key for `ttlMs`, whoever has it. */
  done(key: string, owner: string, ttlMs: number): Promise<void>
  /** Lets go of the key, if it is this owner's and not done. */
  release(key: string, owner: string): Promise<void>
}
