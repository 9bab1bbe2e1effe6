def process_task_event(event):
    """Idempotent: Uses event_id as database primary key."""
    task_id = event['id']

    # Check if already processed
    if audit_log.exists(task_id):
        return Result(success=True, skipped=True)

    # Process and save
    audit_log.insert(task_id, event)
    return Result(success=True)
