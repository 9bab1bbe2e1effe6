# Process message
result = process_task_event(value)

# Only commit if processing succeeded
if result.success:
    consumer.commit(message=msg)
else:
    # Log failure, don't commit
    # Message will be reprocessed on next consumer restart
    logger.error(f"Failed to process: {result.error}")
