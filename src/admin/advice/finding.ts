/** What a look at a system brings to light: what is wrong, and what to do about it. */

export interface Finding {
  /** A stable name: `idle-members`. */
  readonly rule: string
  /** `warn`: it loses records, time or money. `info`: better otherwise. */
  readonly severity: 'warn' | 'info'
  /** What it is about: a group, a setting. */
  readonly subject: string
  readonly problem: string
  readonly fix: string
}
