-- Begin a log's checkpoints anew, after those in the store were lost and it is known why.
delete from audit_publications where table_name = 'receipts' and place = 'store';
