"""Activities: cafés, visits, salons, outreach, and the partners who take people in; attendances counted 延べ and 実."""
