-- Disable an integration until a person enables it again.
select disable_integration('slack', 'Maintenance at the provider');
