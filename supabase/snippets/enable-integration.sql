-- Enable an integration again: counts start anew, and what was held is repeated.
select enable_integration('slack');
